# Runs "$@" and kills it when standard input ends, which happens however the parent ends.
exec 3<&0
"$@" </dev/null 2>&1 3<&- &
server=$!
(read -r _ <&3; kill -KILL "$server") >/dev/null 2>&1 &
exec 3<&-
wait "$server"
status=$?
kill -KILL $! 2>/dev/null
exit "$status"
