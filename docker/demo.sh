#!/usr/bin/env bash
# docker/demo.sh [--build] [--step] [--keep]
#
# A guided tour of catena on a Docker network: a chain of three is written to and read from without a pause while its nodes
# are killed, paused, cut off, added, put into another order, and all lose power at once. Each step prints the commands it runs and
# checks what they did; one that fails ends the tour with exit code 1. It ends with what was counted.
#
#   --build   builds the image anew, instead of taking the one that is there
#   --step    waits for Enter before each step
#   --keep    leaves the containers running at the end
#
# It needs docker with compose v2, curl, and the ports 4460 and 4466 to 4469 of this machine's loopback. It works on a copy of
# topology/docker.json and in a compose project of its own, and takes all of it away at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
# The containers' user has to read the topology.
umask 022
# Nothing here is to go through a proxy.
export no_proxy='*' NO_PROXY='*'

export COMPOSE_PROJECT_NAME=catena-tour
# CATENA_TOUR_OVERRIDE: one more compose file, by which tests make the containers' world harder.
export COMPOSE_FILE=docker/compose.yaml${CATENA_TOUR_OVERRIDE:+:$CATENA_TOUR_OVERRIDE}
export COMPOSE_PROFILES=
PORTS='4460 4466 4467 4468 4469'
COORDINATOR=http://localhost:4460
TAKE_AWAY="docker compose -f docker/compose.yaml -p $COMPOSE_PROJECT_NAME --profile spare down -v"
# A condition that does not come true within this has failed.
WAIT_S_MAX=60

# ---- what the tour is made of ---------------------------------------------------------------------------------------------

tour() {
  step 'Start three nodes and their coordinator'
  say 'Each in a container of its own. --wait comes back when the chain serves.'
  started=$(now_ms)
  run 'docker compose up -d --wait'
  healthy_ms=$(($(now_ms) - started))
  run "curl -s $COORDINATOR/history"
  chain_is 'node-1 node-2 node-3'
  ok "healthy after $(seconds $healthy_ms)"

  step 'Write at one node, read at another'
  say 'Writes are answered by the head and reads by the tail; the others redirect there, by the network that the request came by.'
  run 'curl -s -L -X PUT -d hello http://localhost:4468/set/greeting'
  run 'curl -s -L http://localhost:4467/get/greeting'
  shows '"hello"'
  run 'docker compose exec -T client curl -s -L http://node-1:4466/get/greeting'
  shows '"hello"'
  run "curl -s -w '%{redirect_url}\\n' -o /dev/null http://localhost:4466/get/greeting"
  shows 'http://localhost:4468/get/greeting'
  run "docker compose exec -T client curl -s -w '%{redirect_url}\\n' -o /dev/null http://node-1:4466/get/greeting"
  shows 'http://node-3:4466/get/greeting'
  say 'A key for a quarter of an hour: no failover, and no clock that is wrong, makes it go sooner.'
  session_since=$(now_ms)
  run 'curl -s -L -X PUT -d "for a while" "http://localhost:4466/set/session?ttl=900"'
  say 'When a redirect leads nowhere, doctor says which name is not known where:'
  run 'docker compose exec -T node-1 catena doctor'
  ok 'the same from outside and from inside'

  step 'From here on, somebody writes and somebody reads'
  say 'A new key and an increment, over and over, each retried under its id until it is acknowledged; and reads of the counter, which'
  say 'must never show less than was acknowledged before they were asked.'
  begin_load
  ok 'writing and reading'

  step 'Kill the head'
  gap_of 'the head is killed'
  victim=$(head_of_chain)
  run "docker compose kill $victim"
  until_true "the chain goes on without $victim" chain_lacks "$victim"
  writes_go_on
  run "curl -s $COORDINATOR/history | tail -c 200"
  run "docker compose start $victim"
  until_true "$victim is back, as the tail" tail_is "$victim"
  ok "killed at once, missed for a moment, taken back: $(chain)"

  step 'Pause the tail'
  gap_of 'the tail is paused'
  victim=$(tail_of_chain)
  run "docker compose pause $victim"
  until_true "the chain goes on without $victim" chain_lacks "$victim"
  writes_go_on
  reads_go_on
  run "docker compose unpause $victim"
  until_true "$victim is back" tail_is "$victim"
  ok "it slept through its removal, and no read was stale: $(chain)"

  step 'Cut a node off the network'
  gap_of 'the head is cut off'
  victim=$(head_of_chain)
  run "docker network disconnect catena-tour_chain catena-tour-$victim-1"
  until_true "the chain goes on without $victim" chain_lacks "$victim"
  writes_go_on
  say "$victim can't know that, and yet gives no wrong answer: alone, it answers nothing."
  run "docker compose exec -T $victim /app/docker/health.sh /readyz || true"
  run "docker network connect --alias $victim catena-tour_chain catena-tour-$victim-1"
  until_true "$victim is back" tail_is "$victim"
  ok "cut off and back: $(chain)"

  step 'Add a fourth copy by editing the topology'
  gap_of 'a member is added'
  COMPOSE_PROFILES=spare
  run 'docker compose up -d --wait node-4'
  edit 4 'node-1 node-2 node-3 node-4'
  until_true 'node-4 is in the chain' chain_has node-4
  until_true 'the chain is in the order of the file' chain_is_now 'node-1 node-2 node-3 node-4'
  ok "four copies: $(chain)"

  step 'Turn the chain around'
  gap_of 'the order is turned around'
  edit 4 'node-4 node-3 node-2 node-1'
  until_true 'the chain is in the new order' chain_is_now 'node-4 node-3 node-2 node-1'
  writes_go_on
  ok "the head is now $(head_of_chain), the tail $(tail_of_chain)"

  step 'An edit that makes no sense'
  gap_of 'a wrong edit'
  edit 4 'node-4 node-3 node-2 node-9'
  until_true 'the coordinator has refused it' refused
  run "curl -s $COORDINATOR/topology | grep -o '\"problem\":.*'"
  chain_is 'node-4 node-3 node-2 node-1'
  edit 4 'node-4 node-3 node-2 node-1'
  until_true 'the file is good again' accepted
  ok 'it was explained, and nothing changed'

  step 'Pull the plug on everything'
  gap_of 'everything is killed'
  run 'docker compose kill'
  run 'docker compose up -d --wait'
  writes_go_on
  chain_is 'node-4 node-3 node-2 node-1'
  ok "all are back with what was on their disks: $(chain)"

  step 'Stop in order, and start again'
  gap_of 'all are stopped and started'
  started=$(now_ms)
  run 'docker compose stop'
  stop_ms=$(($(now_ms) - started))
  ended_in_order
  run 'docker compose up -d --wait'
  writes_go_on
  end_load
  ok "stopped within $(seconds $stop_ms), in the middle of it all"

  step 'Count'
  count
}

# ---- the chain, as the coordinator has it ----------------------------------------------------------------------------------

# The members, head first: those of the newest configuration.
chain() {
  curl -s --max-time 2 $COORDINATOR/history | sed -n 's/.*"members":\[\([^]]*\)\].*/\1/p' | tr -d '"' | tr , ' '
}
head_of_chain() { chain | cut -d' ' -f1; }
tail_of_chain() { chain | sed 's/.* //'; }
tail_is() { [ "$(tail_of_chain)" = "$1" ]; }
chain_is_now() { [ "$(chain)" = "$1" ]; }
chain_is() { chain_is_now "$1" || fail "the chain is '$(chain)' and not '$1'"; }
chain_has() { case " $(chain) " in *" $1 "*) ;; *) return 1 ;; esac; }
chain_lacks() { local now; now=$(chain) && [ -n "$now" ] && case " $now " in *" $1 "*) return 1 ;; esac; }
accepted() { curl -s --max-time 2 $COORDINATOR/topology | grep -q '"problem":null'; }
refused() { curl -s --max-time 2 $COORDINATOR/topology | grep -q '"problem":"'; }

# edit REPLICAS 'CHAIN': writes them into the topology file, as an editor would: another file in its place.
edit() {
  local list
  list="\"$(echo "$2" | sed 's/ /", "/g')\""
  run "sed -e 's/\"replicas\": [0-9]*/\"replicas\": $1/' -e 's/\"chain\": .*/\"chain\": [$list],/' topology/docker.json > new.json && mv new.json topology/docker.json" "$work"
}

# ---- those who write and read ----------------------------------------------------------------------------------------------

begin_load() {
  : > "$work/acknowledged"
  : > "$work/reads"
  echo 0 > "$work/counted"
  write_on &
  writer=$!
  read_on &
  reader=$!
  until_true 'writes are acknowledged' acknowledged_at_least 5
}

end_load() {
  : > "$work/stop"
  wait "$writer" || fail "the writer gave up: $(cat "$work/wrong" 2> /dev/null)"
  wait "$reader" || fail "a read was wrong: $(cat "$work/wrong" 2> /dev/null)"
  writer= reader=
}

write_on() {
  local n=0
  while [ ! -e "$work/stop" ]; do
    n=$((n + 1))
    until_answered -X PUT -d "$n" "/set/tour%2F$n?request-id=key-$n"
    until_answered -X POST "/increment/tour-count?request-id=count-$n"
    echo "$n" > "$work/counted.new" && mv "$work/counted.new" "$work/counted"
    echo "$n $(now_ms)" >> "$work/acknowledged"
  done
}

# until_answered OPTION... PATH: asks one node after the other until one answers; the same id each time, so that it takes effect once.
until_answered() {
  local path=${*: -1} status tries=0
  while :; do
    status=$(curl -s -L -o "$work/answer" -w '%{http_code}' --max-time 1 "${@:1:$#-1}" "http://localhost:$port$path") || status=000
    case $status in
      20?) return ;;
      000 | 307 | 50?) ;;
      *)
        echo "$path: $status $(cat "$work/answer")" > "$work/wrong"
        exit 1
        ;;
    esac
    tries=$((tries + 1))
    [ $tries -lt 600 ] || { echo "$path: nobody answered, $tries times" > "$work/wrong"; exit 1; }
    port=$((port == 4468 ? 4466 : port + 1))
    sleep 0.02
  done
}

read_on() {
  local before shown port=4468
  while [ ! -e "$work/stop" ]; do
    before=$(cat "$work/counted")
    if shown=$(curl -s -f -L -H 'Accept: text/plain' --max-time 1 "http://localhost:$port/get/tour-count"); then
      echo "$shown" >> "$work/reads"
      [ "$shown" -ge "$before" ] || { echo "it showed $shown after $before had been acknowledged" > "$work/wrong"; exit 1; }
    elif [ "$before" -gt 0 ]; then
      port=$((port == 4468 ? 4466 : port + 1))
      sleep 0.02
    fi
  done
}

lines() { wc -l < "$1" | tr -d ' '; }
acknowledged_at_least() { [ "$(lines "$work/acknowledged")" -ge "$1" ]; }
answered_at_least() { [ "$(lines "$work/reads")" -ge "$1" ]; }
writes_go_on() { until_true 'writes go on' acknowledged_at_least $(($(lines "$work/acknowledged") + 5)); }
reads_go_on() { until_true 'reads go on' answered_at_least $(($(lines "$work/reads") + 5)); }

# gap_of NAME: from here to the next one, the longest time between two acknowledged writes is told under this name.
gap_of() { echo "$(now_ms) $1" >> "$work/gaps"; }

longest_gaps() {
  awk '
    NR == FNR { from[++steps] = $1; $1 = ""; name[steps] = substr($0, 2); next }
    before {
      # The gap counts for the step in which it began.
      at = 1; while (at < steps && from[at + 1] <= before) at++
      if ($2 - before > longest[at]) longest[at] = $2 - before
    }
    { before = $2 }
    END { for (at = 1; at <= steps; at++) printf "    %-30s %6.2f s\n", name[at], longest[at] / 1000 }
  ' "$work/gaps" "$work/acknowledged"
}

# A process that does not end in order within 5 s of the signal ends itself with another code.
ended_in_order() {
  local each
  for each in node-1 node-2 node-3 node-4 coordinator; do
    code=$(docker inspect -f '{{.State.ExitCode}}' "catena-tour-$each-1")
    [ "$code" = 0 ] || fail "$each ended with exit code $code and not in order: docker compose logs $each"
  done
}

# What is left of its time is what it had, less what has passed, give or take the time that an answer takes.
session_keeps_its_time() {
  local left passed
  left=$(echo "$out" | tr -dc '0-9.')
  passed=$(($(now_ms) - session_since))
  awk "BEGIN { exit !($left <= 900 && $left >= 900 - $passed / 1000 - 5) }" ||
    fail "the key that was to live for 900 s has $left s left, $(seconds $passed) later"
}

count() {
  local acknowledged kept lost counted
  acknowledged=$(lines "$work/acknowledged")
  say 'Everything that is kept, in one answer at one instant:'
  run 'curl -s -L "http://localhost:4466/export?prefix=tour/" | tail -n 2'
  curl -s -f -L 'http://localhost:4466/export?prefix=tour/' | sed 's/^{"key":"tour\/\([0-9]*\)","value":"\([0-9]*\)".*/\1 \2/' | sort > "$work/kept"
  cut -d' ' -f1 "$work/acknowledged" | sed 's/.*/& &/' | sort > "$work/wanted"
  lost=$(comm -13 "$work/kept" "$work/wanted" | lines /dev/stdin)
  kept=$(lines "$work/kept")
  run "curl -s -L -H 'Accept: text/plain' http://localhost:4467/get/tour-count"
  counted=$out
  run "curl -s -L -i http://localhost:4466/get/session | grep Expires-In"
  session_keeps_its_time
  cat << END

  writes acknowledged   $((2 * acknowledged)) ($acknowledged keys, as many increments)
  writes lost           $lost
  writes taken twice    $((counted - acknowledged))
  reads answered        $(lines "$work/reads"), none of them stale
  longest time without an acknowledged write, when
$(longest_gaps)
  from up to healthy    $(seconds $healthy_ms)
  stopping in order     $(seconds $stop_ms)
  the whole tour        $(seconds $(($(now_ms) - began)))

END
  [ "$lost" = 0 ] || fail "$lost acknowledged writes are lost"
  [ "$kept" = "$acknowledged" ] || fail "$kept keys are kept, and $acknowledged were acknowledged"
  [ "$counted" = "$acknowledged" ] || fail "the counter says $counted, and $acknowledged increments were acknowledged"
  ok 'Nothing was lost, nothing was taken twice, nothing stale was read.'
}

# ---- telling and checking --------------------------------------------------------------------------------------------------

step() {
  number=$((number + 1))
  printf '\n%s%s. %s%s\n' "$bold" "$number" "$1" "$plain"
  if [ -n "$by_step" ]; then
    printf '   (Enter goes on) '
    read -r _ || fail 'there is nobody to press Enter'
  fi
}
say() { printf '   %s\n' "$1"; }
ok() { printf '   %s✓ %s%s\n' "$green" "$1" "$plain"; }

# run COMMAND [DIRECTORY]: prints it, runs it and prints what it says; $out keeps that. It fails when the command does.
run() {
  printf '   %s$ %s%s\n' "$dim" "$1" "$plain"
  out=$(cd "${2:-.}" && eval "$1" 2> "$work/errors") || {
    cat "$work/errors" >&2
    fail "the command failed${out:+: $out}"
  }
  [ -z "$out" ] || printf '%s\n' "$out" | sed 's/^/   /'
}
shows() { case $out in *"$1"*) ;; *) fail "it should say $1" ;; esac; }

# until_true WHAT CONDITION...: waits for it.
until_true() {
  local what=$1 until=$(($(now_ms) + WAIT_S_MAX * 1000))
  shift
  until "$@"; do
    [ "$(now_ms)" -lt $until ] || fail "after $WAIT_S_MAX s it is not so that $what; the chain is '$(chain)'"
    [ -z "$writer" ] || kill -0 "$writer" 2> /dev/null || fail "the writer gave up: $(cat "$work/wrong" 2> /dev/null)"
    [ -z "$reader" ] || kill -0 "$reader" 2> /dev/null || fail "a read was wrong: $(cat "$work/wrong" 2> /dev/null)"
    sleep 0.05
  done
  printf '   … %s\n' "$what"
}

fail() {
  printf '\n%s✗ step %s: %s%s\n' "$red" "$number" "$1" "$plain" >&2
  exit 1
}

now_ms() {
  if [ -n "${EPOCHREALTIME:-}" ]; then
    local now=${EPOCHREALTIME/[.,]/}
    echo $((now / 1000))
  else
    # The bash of macOS has no such clock.
    perl -MTime::HiRes=time -e 'printf "%d\n", time * 1000'
  fi
}
seconds() { awk "BEGIN { printf \"%.1f s\", $1 / 1000 }"; }

# ---- before and after ------------------------------------------------------------------------------------------------------

stop_with() {
  printf 'docker/demo.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}

prepare() {
  local each
  for each in docker curl; do
    command -v $each > /dev/null || stop_with "$each is not installed; the tour needs it"
  done
  docker compose version > /dev/null 2>&1 || stop_with "'docker compose' is not there: install version 2 of compose"
  docker info > /dev/null 2>&1 || stop_with "docker can't reach its engine: $(docker info 2>&1 | tail -n 1)"
  if [ -n "$(left_over)" ]; then
    stop_with "containers or volumes of an earlier tour are there; take them away: $TAKE_AWAY"
  fi
  for each in $PORTS; do
    ! (: < "/dev/tcp/127.0.0.1/$each") 2> /dev/null ||
      stop_with "port $each of this machine is in use, and the tour needs it: stop what listens there (npm start? another compose?)"
  done
  if [ -n "$build" ] || ! docker image inspect catena > /dev/null 2>&1; then
    docker compose build node-1 || stop_with 'the image could not be built: read what the builder said above'
  fi
}

left_over() {
  local label=label=com.docker.compose.project=$COMPOSE_PROJECT_NAME
  docker ps -aq --filter $label
  docker volume ls -q --filter $label
}

# In a process group of its own: an impatient second Ctrl-C would end docker in the middle of it.
take_away() {
  set -m
  COMPOSE_PROFILES=spare docker compose down -v --remove-orphans > "$work/errors" 2>&1 &
  wait $! || cat "$work/errors" >&2
  set +m
  [ -z "$(left_over)" ] || echo "Not all could be taken away. Do it with: $TAKE_AWAY" >&2
}

# Also when a step has failed or somebody pressed Ctrl-C.
end() {
  local code=$?
  trap - EXIT
  trap '' INT TERM
  if [ -n "$writer$reader" ]; then
    kill $writer $reader 2> /dev/null || true
    wait $writer $reader 2> /dev/null || true
  fi
  if [ $code = 1 ] && [ "$number" -gt 0 ]; then
    printf '\nThe last lines of each log, and the configurations:\n' >&2
    docker compose logs --no-color --tail 8 >&2 || true
    curl -s --max-time 2 $COORDINATOR/history >&2 || true
    echo >&2
  fi
  if [ -n "$keep" ] && [ $code = 0 ]; then
    echo "Everything is left running, with its topology in $work/topology. To take it away:"
    echo "  $TAKE_AWAY && rm -r $work"
  else
    [ $code = 0 ] || echo 'Taking everything away …' >&2
    take_away
    rm -rf "$work"
  fi
  exit $code
}

build='' by_step='' keep='' writer='' reader='' number=0 port=4466
for option in "$@"; do
  case $option in
    --build) build=yes ;;
    --step) by_step=yes ;;
    --keep) keep=yes ;;
    --help | -h)
      sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' docker/demo.sh
      exit 0
      ;;
    *) stop_with "there is no option $option; --help says which there are" 2 ;;
  esac
done
bold='' dim='' green='' red='' plain=''
if [ -t 1 ]; then
  bold=$'\e[1m' dim=$'\e[36m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
fi

prepare
# Here, since Docker may not be allowed to mount the directory for temporary files.
work=$(mktemp -d "$PWD/docker/.tour.XXXXXX")
mkdir "$work/topology"
cp topology/docker.json topology/topology.schema.json "$work/topology"
chmod -R a+rX "$work"
export CATENA_TOPOLOGY_DIRECTORY=$work/topology
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
began=$(now_ms)
tour
