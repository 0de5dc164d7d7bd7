import { styleText } from 'node:util';
import { prettyLines } from '../platform/pretty.ts';

/** How often a progress is told in lines that stay, and in one that changes. */
const PROGRESS_MS = 3000;
const LIVE_MS = 250;
/** Back to the first column, and nothing behind it. */
const CLEAR_LINE = '\r\u001b[2K';

/** Where `up` and its processes speak. */
export interface Screen {
  /** A word of `up` itself; `fields` are for machines. */
  say(message: string, fields?: object): void;
  /** The same for what is wrong. */
  warn(message: string, fields?: object): void;
  /** How far something has come that takes its time; called again and again, and with `null` when it is over. */
  progress(message: string | null, fields?: object): void;
  /** How often `progress` should be called, in ms. */
  readonly progressEveryMs: number;
  /** What is true of each process; every row has the same fields. */
  table(title: string, rows: readonly Readonly<Record<string, string>>[]): void;
  /** A line of a process's log, in JSON. */
  logged(id: string, line: string): void;
  /** A line that a process printed to standard error. */
  complained(id: string, line: string): void;
}

/** For people: aligned, with the name of the process before each line. */
export function peopleScreen(names: readonly string[]): Screen {
  const width = Math.max(2, ...names.map((name) => name.length));
  const pretty = prettyLines({
    colors: process.stdout.isTTY === true,
    without: ['pid', 'node'],
    brief: true,
  });
  const live = liveLine();
  const marked = (name: string, text: string): string =>
    `${styleText(name === 'up' ? 'bold' : 'cyan', `${name.padEnd(width)} |`)} ${text}`;
  const print = (name: string, text: string): void => {
    live.print(
      text
        .trimEnd()
        .split('\n')
        .map((line) => marked(name, line)),
    );
  };
  return {
    say: (message) => print('up', message),
    warn: (message) => print('up', styleText('yellow', message)),
    progress: (message) => live.set(message === null ? null : marked('up', message)),
    progressEveryMs: live.everyMs,
    table: (title, rows) => print('up', [title, ...tableLines(rows)].join('\n')),
    logged: (id, line) => print(id, pretty(line)),
    complained: (id, line) => print(id, line),
  };
}

interface LiveLine {
  /** Lines that stay. */
  print(lines: readonly string[]): void;
  /** The line below them, which changes; `null` takes it away. */
  set(line: string | null): void;
  readonly everyMs: number;
}

/** On a terminal one line at the bottom is written anew each time; elsewhere each is a line that stays. */
function liveLine(): LiveLine {
  const { stdout } = process;
  if (stdout.isTTY !== true) {
    const print = (lines: readonly string[]): void => lines.forEach((line) => void stdout.write(`${line}\n`));
    return { print, set: (line) => print(line === null ? [] : [line]), everyMs: PROGRESS_MS };
  }
  let below: string | null = null;
  const print = (lines: readonly string[]): void => {
    const kept = lines.map((line) => `${line}\n`).join('');
    stdout.write(`${below === null ? '' : CLEAR_LINE}${kept}${below ?? ''}`);
  };
  const set = (line: string | null): void => {
    if (below !== null) stdout.write(CLEAR_LINE);
    // One that is wrapped could not be taken back.
    below = line === null ? null : line.slice(0, Math.max(0, stdout.columns - 1));
    if (below !== null) stdout.write(below);
  };
  return { print, set, everyMs: LIVE_MS };
}

/** For machines: the log lines of the processes as they are, and our own like them. */
export function jsonScreen(nowIso: () => string): Screen {
  const print = (level: number, node: string, fields: object, msg: string): void => {
    process.stdout.write(`${JSON.stringify({ level, time: nowIso(), node, ...fields, msg })}\n`);
  };
  return {
    say: (message, fields = {}) => print(30, 'up', fields, message),
    warn: (message, fields = {}) => print(40, 'up', fields, message),
    progress: (message, fields = {}) => {
      if (message !== null) print(30, 'up', fields, message);
    },
    progressEveryMs: PROGRESS_MS,
    table: (title, rows) => print(30, 'up', { processes: rows }, title),
    logged: (_id, line) => process.stdout.write(`${line}\n`),
    complained: (id, line) => print(50, id, {}, line),
  };
}

function tableLines(rows: readonly Readonly<Record<string, string>>[]): string[] {
  const columns = Object.keys(rows[0] ?? {});
  const lines = [columns, ...rows.map((row) => columns.map((column) => row[column] ?? ''))];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  return lines.map((line) => `  ${line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}`.trimEnd());
}
