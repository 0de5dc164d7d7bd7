import { styleText } from 'node:util';
import { prettyLines } from '../platform/pretty.ts';

/** Where `up` and its processes speak. */
export interface Screen {
  /** A word of `up` itself; `fields` are for machines. */
  say(message: string, fields?: object): void;
  /** The same for what is wrong. */
  warn(message: string, fields?: object): void;
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
  const print = (name: string, text: string): void => {
    const mark = styleText(name === 'up' ? 'bold' : 'cyan', `${name.padEnd(width)} |`);
    for (const line of text.trimEnd().split('\n')) process.stdout.write(`${mark} ${line}\n`);
  };
  return {
    say: (message) => print('up', message),
    warn: (message) => print('up', styleText('yellow', message)),
    table: (title, rows) => print('up', [title, ...tableLines(rows)].join('\n')),
    logged: (id, line) => print(id, pretty(line)),
    complained: (id, line) => print(id, line),
  };
}

/** For machines: the log lines of the processes as they are, and our own like them. */
export function jsonScreen(nowIso: () => string): Screen {
  const print = (level: number, node: string, fields: object, msg: string): void => {
    process.stdout.write(`${JSON.stringify({ level, time: nowIso(), node, ...fields, msg })}\n`);
  };
  return {
    say: (message, fields = {}) => print(30, 'up', fields, message),
    warn: (message, fields = {}) => print(40, 'up', fields, message),
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
