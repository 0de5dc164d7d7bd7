import { styleText } from 'node:util';
import { CatenaError, messageOf } from '../base/errors.ts';
import { errnosOf } from '../platform/network-error.ts';

/** What is printed in pieces goes out when so much has come together, in characters. */
const HELD_CHARACTERS_MAX = 16_384;
const PROGRESS_AFTER_MS = 1000;
const PROGRESS_EVERY_MS = 250;
const CLEAR_LINE = '\r\u001b[2K';

/** Nobody reads standard output any more, as after `| head`: there is nothing left to do, and nothing to complain of. */
export class ReaderLeft extends Error {
  override readonly name = 'ReaderLeft';
}

/** Whether a person reads standard output. */
export function onTerminal(): boolean {
  return process.stdout.isTTY === true;
}

/** Writes to standard output as it is. @throws ReaderLeft; CatenaError when it can't be written to. */
export async function print(data: string | Uint8Array): Promise<void> {
  listenOnce();
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(data, (error) => (error == null ? resolve() : reject(writeError(error))));
  });
}

/** Lines that belong together, printed in few writes. `end` must be called behind the last. */
export class Lines {
  #held = '';

  async add(line: string): Promise<void> {
    this.#held += `${line}\n`;
    if (this.#held.length >= HELD_CHARACTERS_MAX) await this.end();
  }

  async end(): Promise<void> {
    const text = this.#held;
    this.#held = '';
    if (text !== '') await print(text);
  }
}

/** Tells on a terminal's standard error how far something has come that takes longer than a second. */
export class Progress {
  readonly #startedMs = performance.now();
  readonly #shows = process.stderr.isTTY === true;
  #saidMs = 0;

  /** Called as often as one likes; `text` is asked for when it is shown. */
  at(text: () => string): void {
    const nowMs = performance.now();
    if (!this.#shows || nowMs - this.#startedMs < PROGRESS_AFTER_MS) return;
    if (nowMs - this.#saidMs < PROGRESS_EVERY_MS) return;
    this.#saidMs = nowMs;
    process.stderr.write(`${CLEAR_LINE}${text()}`);
  }

  /** Takes it away. */
  end(): void {
    if (this.#saidMs !== 0) process.stderr.write(CLEAR_LINE);
  }
}

/** The text in this style, where standard output is a terminal that shows it and `NO_COLOR` is not set. */
export function styled(style: Parameters<typeof styleText>[0], text: string): string {
  return onTerminal() ? styleText(style, text, { stream: process.stdout }) : text;
}

/** What others have stored must not steer the terminal: without control characters there, as it is elsewhere. */
export function shownText(text: string): string {
  return onTerminal() ? harmless(text) : text;
}

/** The text with a blank for each control character. */
export function harmless(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, ' ');
}

/** A number for people: `12,345`. */
export function countText(count: number): string {
  return count.toLocaleString('en');
}

/** So many keys, in words. */
export function keysText(count: number): string {
  return `${countText(count)} ${count === 1 ? 'key' : 'keys'}`;
}

/** A failed write calls back, and is told as an event too, which would end the process with a trace. */
function listenOnce(): void {
  if (!process.stdout.listeners('error').includes(ignored)) process.stdout.on('error', ignored);
}

function ignored(): void {}

function writeError(error: Error): Error {
  if (errnosOf(error).includes('EPIPE')) return new ReaderLeft('nobody reads standard output any more');
  return new CatenaError('DISK_FAILED', `standard output can't be written to: ${messageOf(error)}`, {
    cause: error,
  });
}
