#!/bin/bash
# run.sh: the tests that need a Docker engine. It must be reachable, with the image `catena` of docker/Dockerfile in it, and the
# ports that docker/compose.yaml publishes must be free. .ci/run sees to both.
set -euo pipefail
cd "$(dirname "$0")/../.."

main() {
  trap remove_clocks EXIT
  image_is_as_said
  remove_clocks
  before=$(left_behind)
  docker/demo.sh
  nothing_is_left
  tour_with_clocks_apart
}

# What docker/README.md says of the image.
image_is_as_said() {
  claim 'it runs as the user node' [ "$(in_image id -un)" = node ]
  claim 'nothing is in it that only developers need' in_image bash -c '! ls -d /app/node_modules/{jest,typescript,@biomejs,node} /app/src/simulator /app/__tests__ 2> /dev/null | grep .'
  claim 'it has a health check, labels and a volume' [ "$(inspect '{{.Config.Healthcheck.Test}} {{index .Config.Labels "org.opencontainers.image.title"}} {{.Config.Volumes}}')" = '[CMD /app/docker/health.sh] catena map[/data:{}]' ]
  claim 'it says how it is used' says 'Usage: catena'
  claim 'a topology that is not there is explained' says '/topology/docker.json' node node-1
  echo "the image: $(($(inspect '{{.Size}}') / 1000000)) MB"
}

tour_with_clocks_apart() {
  local library each off
  library=$(ls /usr/lib/*/faketime/libfaketime.so.1 2> /dev/null | head -n 1 || true)
  if [ -z "$library" ]; then
    echo 'NOT DONE: the tour with clocks an hour apart, as libfaketime is not installed'
    return
  fi
  export CATENA_TOUR_FAKETIME=$library CATENA_TOUR_OVERRIDE=__tests__/docker/clocks.yaml
  for each in node-1:-1 node-2:0 node-3:1 node-4:2 coordinator:-2; do
    off=$(($(clock_of "${each%:*}") - $(date +%s) - 3600 * ${each#*:}))
    claim "the clock of ${each%:*} is ${each#*:} h off" [ ${off#-} -le 60 ]
  done
  docker/demo.sh
  nothing_is_left
}

# The time of day as Node has it in the container of that service, in s.
clock_of() {
  docker compose -p catena-clocks -f docker/compose.yaml -f "$CATENA_TOUR_OVERRIDE" --profile spare \
    run --rm -T --no-deps --entrypoint node "$1" -p 'Math.floor(Date.now() / 1000)' 2> /dev/null
}

remove_clocks() { docker compose -p catena-clocks -f docker/compose.yaml --profile spare down -v > /dev/null 2>&1; }
left_behind() { docker ps -aq && docker network ls -q --filter driver=bridge && docker volume ls -q; }

nothing_is_left() {
  remove_clocks
  claim 'no container, network or volume is left behind' [ "$(left_behind)" = "$before" ]
}

in_image() { docker run --rm --network none --read-only --entrypoint "$1" catena "${@:2}"; }
# says TEXT ARGUMENT...: what the program prints, given these arguments, holds TEXT.
says() { [[ $(docker run --rm --network none --read-only catena "${@:2}" 2>&1) == *"$1"* ]]; }
inspect() { docker image inspect -f "$1" catena; }

# claim WHAT COMMAND...
claim() {
  local what=$1
  shift
  "$@" || { echo "NOT SO: $what ($*)" >&2; exit 1; }
  echo "ok: $what"
}

main
