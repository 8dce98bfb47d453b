#!/bin/sh
# A review as a step of CI, which decides by exit codes and never by the text of an answer:
#
# $ git diff main | sh ci.sh -m sandbox/glm-5
#
# What is ours to repair fails the build; what time repairs does not. Flags of `glm ask` may follow.

glm ask -f review.yaml --var language=Python --deadline 300 --output review.md "$@"
code=$?

case $code in
  0) echo "review: see review.md" ;;
  4 | 5 | 6) echo "review: left out today, the provider cannot serve (exit $code)" ;;
  7 | 8) echo "review: left out, there is no whole answer to this change (exit $code)" ;;
  2 | 3) echo "review: set up wrongly, see above (exit $code)"; exit 1 ;;
  *) exit "$code" ;;
esac
