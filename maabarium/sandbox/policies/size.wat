;; The built-in policy: how many files a proposal may touch, and how many bytes it may bring.
;;
;;   validate(file_count: i32, total_bytes: i64, max_files: i32, max_bytes: i64) -> i32
;;
;; 1 when both are within their limits, else 0. All numbers are unsigned.
;; Built into size.wasm by `python examples/policies/build.py maabarium/sandbox/policies/size.wat`.
(module
  (func (export "validate")
    (param $file_count i32) (param $total_bytes i64) (param $max_files i32) (param $max_bytes i64)
    (result i32)
    (i32.and
      (i32.le_u (local.get $file_count) (local.get $max_files))
      (i64.le_u (local.get $total_bytes) (local.get $max_bytes)))))
