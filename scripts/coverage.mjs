// Judges what `npm run coverage` has measured: in each of these rooms BRANCHES_MIN_PERCENT of the branches are taken by
// tests, and each that is not is an assertion that it can't be. The arms of planted faults are left out of account: they
// are dead in every program but the tests that turn them.
//
// Istanbul counts: both arms of `if` and `?:`, each operand of `&&`, `||` and `??`, each `case`, each default of a
// parameter. It does not count `?.`. (V8's own numbers are of no use here: an arm that ran as often as what is around it,
// or within a function that never ran, is none.)
import { readFileSync } from 'node:fs';
import { relative, sep } from 'node:path';

const ROOMS = ['replica', 'coordinator', 'storage'];
const BRANCHES_MIN_PERCENT = 95;
const REPORT = 'coverage/coverage-final.json';

const files = Object.values(JSON.parse(readFileSync(REPORT, 'utf8')));
let failed = false;
for (const room of ROOMS) {
  const arms = files.filter(({ path }) => roomOf(path) === room).flatMap(armsOf);
  if (arms.length === 0) throw new Error(`nothing was measured in src/${room}`);
  const counted = arms.filter(({ planted }) => !planted);
  const missed = counted.filter(({ taken }) => !taken);
  const open = missed.filter(({ asserted }) => !asserted);
  const percent = (100 * (counted.length - missed.length)) / counted.length;
  failed ||= percent < BRANCHES_MIN_PERCENT || open.length > 0;
  console.log(
    `src/${room}: ${percent.toFixed(2)} % of ${counted.length} branches; ${missed.length} not taken, ` +
      `${open.length} of them not asserted to be unreachable`,
  );
  for (const { where, text } of open) console.log(`  ${where} ${text}`);
}
if (failed) process.exitCode = 1;

function roomOf(path) {
  const [src, room] = relative(process.cwd(), path).split(sep);
  return src === 'src' ? room : null;
}

/** Every arm of every branch of a file: whether it was taken, and what is to be said of one that was not. */
function armsOf({ path, branchMap, b }) {
  const source = sourceOf(path);
  const branches = Object.entries(branchMap).map(([id, branch]) => ({ ...branch, counts: b[id] }));
  const planted = branches.flatMap((branch) => plantedRanges(branch, source));
  return branches.flatMap((branch) =>
    branch.counts.map((count, place) => {
      const at = rangeOf(branch.locations[place], source) ?? rangeOf(branch.loc, source);
      const isSwitch = branch.type === 'switch';
      return {
        taken: count > 0,
        planted: planted.some(([start, end]) => start <= at[0] && at[1] <= end),
        asserted: isSwitch && /^default:\s*(return )?unreachable\(/.test(source.text.slice(...at)),
        where: `${relative(process.cwd(), path)}:${branch.loc.start.line} (${branch.type}, arm ${place + 1})`,
        text: source.text.slice(...at).split('\n')[0],
      };
    }),
  );
}

/** Where code depends on a planted fault. */
function plantedRanges({ type, loc, locations }, source) {
  const whole = rangeOf(loc, source);
  const text = source.text.slice(...whole);
  if (type === 'if') return isPlanted(conditionOf(text), source) ? [whole] : [];
  if (type === 'binary-expr') return isPlanted(text, source) ? [whole] : [];
  const first = rangeOf(locations[0], source);
  if (type === 'cond-expr') return isPlanted(source.text.slice(whole[0], first[0]), source) ? [whole] : [];
  return [];
}

function isPlanted(text, { switches }) {
  return text.includes('isPlanted(') || switches.some((name) => name.test(text));
}

/** What stands in the first parentheses of an `if`. */
function conditionOf(text) {
  let depth = 0;
  for (const [place, character] of [...text].entries()) {
    if (character === '(') depth++;
    else if (character === ')' && --depth === 0) return text.slice(0, place);
  }
  return text;
}

/** A text, where its lines begin, and the names of what is said by a planted fault. */
function sourceOf(path) {
  const text = readFileSync(path, 'utf8');
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  const named = text.matchAll(/const (is\w+) =[^;{}]*isPlanted\(/g);
  return { text, starts, switches: [...named].map(([, name]) => new RegExp(`\\b${name}\\b`)) };
}

/** From where to where in the text; `null` for an `else` that isn't written. */
function rangeOf(location, { starts, text }) {
  if (location?.start?.line === undefined || location.end?.line === undefined) return null;
  const endOf = (line) => (starts[line] ?? text.length + 1) - 1;
  // A column that is not known stands for the end of its line.
  const offset = ({ line, column }) => (column === null ? endOf(line) : (starts[line - 1] ?? 0) + column);
  return [offset(location.start), offset(location.end)];
}
