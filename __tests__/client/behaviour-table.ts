/** Writes docs/redis-like.md from the list of behaviours: `node __tests__/client/behaviour-table.ts > docs/redis-like.md`. */
import { BEHAVIOURS, type Call, type Outcome, type Step } from './behaviour-list.ts';
import { worded } from './behaviour-worlds.ts';

const HEAD = `# redisLike(): the words of ioredis

<!-- Made from __tests__/client/behaviour-list.ts by: node __tests__/client/behaviour-table.ts > docs/redis-like.md -->

\`db.redisLike()\` of a client has the words of ioredis for strings: \`get\`, \`getBuffer\`, \`set\` (\`NX\`, \`XX\`, \`EX\`, \`PX\`), \`setnx\`, \`setex\`, \`psetex\`, \`del\`, \`exists\`, \`incr\`,
\`incrby\`, \`decr\`, \`decrby\`, \`expire\`, \`pexpire\`, \`persist\`, \`ttl\`, \`pttl\`, \`mget\`, \`mset\` and \`scan\` (\`MATCH\`, \`COUNT\`). What Redis refuses rejects with a \`ReplyError\` and Redis's text. What
a chain or the network says (no member answers, the outcome of a write is not known) rejects with the client's own errors, as it has no likeness in Redis.

Every line below is run against ioredis-mock and against \`redisLike()\` on a chain of three processes, by \`__tests__/client/behaviour.test.ts\`. The column of Redis is what its manual and source say; no Redis is run.
`;

type Difference = Extract<Step, { readonly why: string }>;

/** The document. */
export function behaviourTable(): string {
  const isMeant = ({ redis, catena }: Difference): boolean => worded(redis) !== worded(catena);
  const sections = [
    '## Where catena differs, on purpose',
    '',
    ...differences(isMeant),
    '',
    '## Where the mock is wrong',
    '',
    'Here catena does as Redis does: a program that was tested with the mock alone may meet it with surprise.',
    '',
    ...differences((difference) => !isMeant(difference)),
    '',
    '## Where all agree',
    '',
    ...agreements(),
  ];
  return `${[HEAD, ...sections].join('\n')}\n`;
}

/** Commands whose result speaks of what was done before. */
const LOOKING_BACK = ['get', 'incr', 'incrby', 'mget', 'persist'];

function differences(isShown: (difference: Difference) => boolean): string[] {
  const rows = BEHAVIOURS.flatMap(({ steps }) =>
    steps.flatMap((step, at) => {
      if (!('why' in step) || !isShown(step)) return [];
      const before = steps[at - 1];
      const calls = LOOKING_BACK.includes(step.call[0]) && before !== undefined ? [callOf(before)] : [];
      const outcomes = [step.redis, step.mock, step.catena].map(cell);
      return [
        row([...calls, step.call].map((call) => code(callText(call))).join('<br>'), ...outcomes, step.why),
      ];
    }),
  );
  return ['| call | Redis | ioredis-mock | catena | why |', '|---|---|---|---|---|', ...rows];
}

function agreements(): string[] {
  const rows = BEHAVIOURS.flatMap(({ title, steps }) => {
    const agreed = steps.filter((step) => !('why' in step));
    return agreed.every(isPreparation) ? [] : [row(title, agreed.map(stepText).join('<br>'))];
  });
  return ['| what | calls and results |', '|---|---|', ...rows];
}

/** Of what the others are about. */
function isPreparation(step: Step): boolean {
  return ['set', 'mset'].includes(callOf(step)[0]) && 'gives' in step && step.gives === 'OK';
}

function row(...cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function callOf(step: Step): Call {
  return 'until' in step ? step.until : step.call;
}

function stepText(step: Step): string {
  if ('until' in step) return `${code(callText(step.until))} in the end ${cell(step.gives)}`;
  if ('between' in step) return `${code(callText(step.call))} → ${step.between.join(' to ')}`;
  return 'gives' in step ? `${code(callText(step.call))} → ${cell(step.gives)}` : '';
}

const ARGUMENTS_MAX = 14;
const TEXT_CHARACTERS_MAX = 120;

function callText([command, ...args]: Call): string {
  const shown =
    args.length > ARGUMENTS_MAX
      ? [...args.slice(0, 2).map(worded), `… ${args.length} in all`]
      : args.map(worded);
  return `${command}(${shown.join(', ')})`;
}

function cell(outcome: Outcome): string {
  return code(worded(outcome));
}

/** In a table a bar ends the cell, wherever it stands. */
function code(text: string): string {
  const short = text.length > TEXT_CHARACTERS_MAX ? `${text.slice(0, TEXT_CHARACTERS_MAX)}…` : text;
  return `\`${short.replaceAll('|', '\\|').replaceAll('`', "'")}\``;
}

if (import.meta.main) process.stdout.write(behaviourTable());
