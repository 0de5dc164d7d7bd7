#!/bin/bash
# run.sh: packs the package as `npm publish` would, installs it into empty folders, and uses it there under Node 22 and 24: imported,
# required, its types, and its command line. .ci/run calls it; it needs the npm registry.
set -euo pipefail
project=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

main() {
  cd "$project"
  npm pack --silent --pack-destination "$work" > /dev/null
  tarball=$(ls "$work"/catena-*.tgz)
  tar tzf "$tarball" | sed 's#^package/##' | sort > "$work/files"
  holds_what_it_should
  for major in 22 24; do
    installed_under "$major"
  done
}

holds_what_it_should() {
  local each
  for each in package.json README.md LICENSE CHANGELOG.md openapi.json topology/local.json topology/topology.schema.json \
    dist/client/node.js dist/client/node.d.ts dist/client/browser.js dist/testing/start-chain.js dist/testing/start-chain.d.ts dist/cli/main.js; do
    claim "the package holds $each" grep -qx "$each" "$work/files"
  done
  claim 'it holds no sources, no tests and nothing of the simulator' nothing_matches '^src/|^__tests__|^bench|^scripts|simulator|simulate|\.test\.|(^|[^d])\.ts$'
  echo "the package: $(wc -l < "$work/files") files, $(($(stat -c %s "$tarball") / 1024)) KiB"
}
nothing_matches() { ! grep -E "$1" "$work/files" | grep -v '\.d\.ts$'; }

installed_under() {
  local folder=$work/node-$1
  mkdir "$folder"
  cd "$folder"
  echo '{ "private": true, "allowScripts": { "node": true } }' > package.json
  npm install --silent --no-audit --no-fund "node@$1" "$tarball"
  PATH=$folder/node_modules/.bin:$PATH
  claim "Node is $1" [ "$(node -p 'process.versions.node.split(".")[0]')" = "$1" ]
  cat > use.mjs << 'END'
import { connect } from 'catena';
import { startChain } from 'catena/testing';
const chain = await startChain({ nodes: 3 });
const db = connect(chain.url);
await db.set('greeting', 'hello');
console.log(await db.get('greeting'));
await db.close();
await chain.stop();
END
  claim "imported under Node $1 it works" [ "$(node use.mjs)" = hello ]
  cat > use.cjs << 'END'
const { connect } = require('catena');
const { startChain } = require('catena/testing');
startChain({ nodes: 1 }).then(async (chain) => {
  const db = connect(chain.url);
  console.log(await db.increment('visits', 41), await db.increment('visits'));
  await db.close();
  await chain.stop();
});
END
  claim "required under Node $1 it works" [ "$(node use.cjs)" = '41 42' ]
  claim "its command line works under Node $1" [ "$(npx catena --version)" = "$(node -p 'require("catena/package.json").version')" ]
  claim "under Node $1 catena up runs the chain that came with it, and the program of the README says what it should" up_serves
  cat > use.mts << 'END'
import { connect, type Change, type Item, PreconditionFailed } from 'catena';
const db = connect('http://localhost:4466');
const [sum, old]: [number, unknown] = await db.batch().increment('n').get('n').commit();
const item: Item | undefined = await db.getItem('n');
for await (const change of db.watch({ prefix: 'n' })) { const seen: Change = change; void [seen, sum, old, item, PreconditionFailed]; break; }
// @ts-expect-error a version is a number
await db.checkAndSet('n', 'one', 'two');
END
  cat > testing.mts << 'END'
import { startChain } from 'catena/testing';
const chain = await startChain({ nodes: 3 });
const visits: number = await chain.client().increment('visits');
await chain.kill('head');
void visits;
await chain.stop();
END
  for resolution in nodenext bundler; do
    claim "its types hold with moduleResolution $resolution, with no types of Node" types_hold $resolution --types '' use.mts
    claim "those of its testing do with moduleResolution $resolution" types_hold $resolution --typeRoots "$project/node_modules/@types" --types node testing.mts
  done
}

# A chain that somebody runs here must not be written to.
up_serves() {
  if curl -s -o /dev/null http://localhost:4466/ || curl -s -o /dev/null http://localhost:4460/; then
    echo 'something answers on port 4466 or 4460: stop it first (npm start? another test?)'
    return 1
  fi
  local up until=$((SECONDS + 60)) answer='' run otherwise=''
  catena up --json > up.log 2>&1 &
  up=$!
  while [ "$answer" != '"here"' ] && [ $SECONDS -lt $until ]; do
    sleep 0.2
    curl -s -f -L -o /dev/null -X PUT -d here http://localhost:4467/set/try && answer=$(curl -s -L http://localhost:4468/get/try)
  done
  # The program of the README, as printed, and what is said there that it prints: also when it is run once more.
  sed -n '/^## From a program/,/^## The topology/{/^```js/,/^```/{/^```/d;p;};}' "$project/README.md" > program.mjs
  printf '%s\n' "true { free: false, by: 'Ada' }" "[ '500', '500' ]" '0 1000' > expected.out
  for run in first second; do
    timeout 60 node program.mjs > program.out 2>&1 && head -n 3 program.out | diff expected.out - && [ "$(wc -l < program.out)" = 1005 ] ||
      otherwise="$otherwise its $run run says otherwise;"
  done
  kill $up
  wait $up || true
  [ "$answer" = '"here"' ] || { cat up.log; return 1; }
  [ -z "$otherwise" ] || { echo "$otherwise the last one:"; head -n 5 program.out; return 1; }
}

# types_hold RESOLUTION OPTION... FILE
types_hold() {
  local module=nodenext
  [ "$1" = nodenext ] || module=esnext
  node "$project/node_modules/typescript/bin/tsc" --noEmit --strict --target es2022 --module $module --moduleResolution "$1" "${@:2}"
}

# claim WHAT COMMAND...
claim() {
  local what=$1
  shift
  "$@" || { echo "NOT SO: $what ($*)" >&2; exit 1; }
  echo "ok: $what"
}

main
