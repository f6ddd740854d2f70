;; A WASI evaluator written by hand: counts the marks TODO in the file app.py of the evaluated tree.
;;
;; It answers {"protocolVersion":2,"scores":[{"name":"todos","value":N}]}; without the file it ends with status 1, which
;; is a failed gate of the candidate. The question on stdin is not needed and not read.
;;
;; Build: python examples/policies/build.py examples/evaluators/todos/todos.wat
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))

  (memory (export "memory") 2)

  ;;   0: one iovec   8: bytes moved   12: the file's descriptor   16: its name   64: the answer's two halves
  ;; 256: the number, written backwards up to here                1024: what was read
  (data (i32.const 16) "app.py")
  (data (i32.const 64) "{\"protocolVersion\":2,\"scores\":[{\"name\":\"todos\",\"value\":")
  (data (i32.const 128) "}]}")

  (global $last (mut i32) (i32.const 0)) ;; the four bytes read last, oldest highest
  (global $count (mut i32) (i32.const 0))

  (func $write (param $address i32) (param $length i32)
    (i32.store (i32.const 0) (local.get $address))
    (i32.store (i32.const 4) (local.get $length))
    (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))
      (then (call $proc_exit (i32.const 2)))))

  (func $number (param $value i32)
    (local $at i32)
    (local.set $at (i32.const 256))
    (loop $digit
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at)
        (i32.add (i32.const 48) (i32.rem_u (local.get $value) (i32.const 10))))
      (local.set $value (i32.div_u (local.get $value) (i32.const 10)))
      (br_if $digit (local.get $value)))
    (call $write (local.get $at) (i32.sub (i32.const 256) (local.get $at))))

  ;; Counts in the $length bytes at 1024; a mark may lie across two reads.
  (func $count_in (param $length i32)
    (local $at i32)
    (local.set $at (i32.const 1024))
    (block $done
      (loop $byte
        (br_if $done (i32.ge_u (local.get $at) (i32.add (i32.const 1024) (local.get $length))))
        (global.set $last
          (i32.or (i32.shl (global.get $last) (i32.const 8)) (i32.load8_u (local.get $at))))
        (if (i32.eq (global.get $last) (i32.const 0x544f444f)) ;; T O D O
          (then (global.set $count (i32.add (global.get $count) (i32.const 1)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $byte))))

  (func (export "_start")
    (local $file i32)
    ;; 3 is the folder /workspace; 2 is the right to read
    (if (call $path_open (i32.const 3) (i32.const 1) (i32.const 16) (i32.const 6)
          (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 12))
      (then (call $proc_exit (i32.const 1))))
    (local.set $file (i32.load (i32.const 12)))
    (block $end
      (loop $more
        (i32.store (i32.const 0) (i32.const 1024))
        (i32.store (i32.const 4) (i32.const 65536))
        (if (call $fd_read (local.get $file) (i32.const 0) (i32.const 1) (i32.const 8))
          (then (call $proc_exit (i32.const 1))))
        (br_if $end (i32.eqz (i32.load (i32.const 8))))
        (call $count_in (i32.load (i32.const 8)))
        (br $more)))
    (call $write (i32.const 64) (i32.const 55))
    (call $number (global.get $count))
    (call $write (i32.const 128) (i32.const 3))))
