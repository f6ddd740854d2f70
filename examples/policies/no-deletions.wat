;; A policy of the second interface: objects to every proposal that deletes a file.
;;
;;   memory                                    the question is written into it, the answer read from it
;;   alloc(length: i32) -> i32                 where `length` bytes may be written
;;   objections(address: i32, length: i32) -> i64
;;                                             (address << 32) | length of the answer, a JSON array
;;
;; The question is JSON without white space, so a file that is deleted shows as "operation":"delete". Inside a
;; content the quotes would be escaped, so nothing that is written there can be taken for it.
;;
;; Build: python examples/policies/build.py examples/policies/no-deletions.wat
(module
  (memory (export "memory") 1)

  ;;  0: what is looked for (20 bytes)   32: no objection (2 bytes)   64: the objection (56 bytes)
  (data (i32.const 0) "\"operation\":\"delete\"")
  (data (i32.const 32) "[]")
  (data (i32.const 64) "[\"deletes a file; leave it, and say why it is not used\"]")

  (global $free (mut i32) (i32.const 1024))

  ;; Hands out the next free bytes, 8-aligned, and grows the memory when they do not fit.
  (func (export "alloc") (param $length i32) (result i32)
    (local $address i32)
    (local $missing i32)
    (local.set $address (global.get $free))
    (global.set $free
      (i32.and
        (i32.add (i32.add (global.get $free) (local.get $length)) (i32.const 7))
        (i32.const -8)))
    (local.set $missing
      (i32.sub
        (i32.shr_u (i32.add (global.get $free) (i32.const 65535)) (i32.const 16))
        (memory.size)))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then
        (if (i32.lt_s (memory.grow (local.get $missing)) (i32.const 0))
          (then unreachable)))) ;; no room: a policy that fails objects
    (local.get $address))

  ;; Whether the 20 bytes looked for are at $address.
  (func $is_here (param $address i32) (result i32)
    (i32.and
      (i32.and
        (i64.eq (i64.load (local.get $address)) (i64.load (i32.const 0)))
        (i64.eq (i64.load offset=8 (local.get $address)) (i64.load (i32.const 8))))
      (i32.eq (i32.load offset=16 (local.get $address)) (i32.load (i32.const 16)))))

  (func (export "objections") (param $address i32) (param $length i32) (result i64)
    (local $last i32)
    (local.set $last (i32.sub (i32.add (local.get $address) (local.get $length)) (i32.const 20)))
    (block $none
      (loop $next
        (br_if $none (i32.gt_s (local.get $address) (local.get $last)))
        (if (call $is_here (local.get $address))
          (then (return (i64.or (i64.shl (i64.const 64) (i64.const 32)) (i64.const 56)))))
        (local.set $address (i32.add (local.get $address) (i32.const 1)))
        (br $next)))
    (i64.or (i64.shl (i64.const 32) (i64.const 32)) (i64.const 2))))
