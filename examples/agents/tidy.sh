#!/bin/sh
# A coding agent of twenty lines: it takes out one import that its file does not use. No model, no network.
# Its words are the files that may change; what it prints after "Summary:" becomes the proposal's summary, and the
# last line says what it cost.
set -eu

for file in "$@"; do
    for name in $(sed -n 's/^import \([A-Za-z_][A-Za-z_0-9]*\)$/\1/p' "$file"); do
        if [ "$(grep -cw -- "$name" "$file")" -eq 1 ]; then
            sed "/^import $name\$/d" "$file" >"$file.tidy"
            cat "$file.tidy" >"$file"
            rm "$file.tidy"
            echo "Summary: ${file#./} does not use $name"
            echo '{"usage": {"input_tokens": 0, "output_tokens": 0}, "cost": 0.0}'
            exit 0
        fi
    done
done
echo "nothing is left to tidy"
