#!/bin/bash
# health.sh [PATH [PORTS]]: succeeds when this container answers PATH (/healthz) with 200, on the first of PORTS (a node's or a
# coordinator's) that anybody listens on, and prints the answer. The image has no curl, and a Node started every other second
# would be felt; bash is there.
path=${1:-/healthz}
ports=${2:-4466 4460}
for port in $ports; do
  { exec 3<> "/dev/tcp/127.0.0.1/$port"; } 2> /dev/null || continue
  printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$path" >&3
  read -r _ status _ <&3
  while IFS= read -r header <&3 && [ "$header" != $'\r' ]; do :; done
  cat <&3
  [ "$status" = 200 ]
  exit
done
echo "nothing listens on port ${ports// / or } yet"
exit 1
