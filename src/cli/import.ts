import type { Command } from 'commander';
import { CatenaError } from '../base/errors.ts';
import type { Core } from '../client/core.ts';
import { refusalOf } from '../client/problem.ts';
import { type ClientFlags, told, withChain, withClientOptions } from './client-options.ts';
import { linesOf, operationIn, type SetOperation } from './import-lines.ts';
import { bytesFrom, typesInput } from './input.ts';
import { keysText, Progress, print } from './output.ts';

const BATCH_KEYS_MAX = 500;
/** Far below what a node takes in one batch, so that others' writes get in between; in characters. */
const BATCH_CHARACTERS_MAX = 524_288;

interface ImportFlags extends ClientFlags {
  readonly file?: string;
  readonly json: boolean;
}

/** `catena import` */
export function addImport(program: Command): void {
  withClientOptions(
    program
      .command('import')
      .description('Stores the keys that catena export has printed, from a file or from standard input.'),
  )
    .option('--file <file>', 'read from this file')
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      '\nKeys that are there are replaced, others stay as they are. Versions are new, expiry goes on from now.\n\nExample:\n  $ catena import --file backup.jsonl\n  imported 1,234 keys',
    )
    .action(importAll);
}

async function importAll({ file, json, ...flags }: ImportFlags, command: Command): Promise<void> {
  if (file === undefined && typesInput()) command.error('error: give --file FILE, or pipe an export in');
  await withChain(flags, async ({ core }) => {
    const importing = new Import(core);
    const imported = await importing.all(bytesFrom(file));
    await print(json ? `${JSON.stringify({ imported })}\n` : `imported ${keysText(imported)}\n`);
  });
}

interface Row {
  readonly line: number;
  readonly operation: SetOperation;
  /** As JSON. */
  readonly text: string;
}

/** Stores keys in batches, one after the other, so that what is stored is always all up to some line. */
class Import {
  readonly #core: Core;
  readonly #progress = new Progress();
  #imported = 0;
  #waiting: Row[] = [];
  #characters = 0;

  constructor(core: Core) {
    this.#core = core;
  }

  /** @returns how many keys were stored. @throws CatenaError that says which line is at fault, and how far it came. */
  async all(pieces: AsyncIterable<Uint8Array>): Promise<number> {
    try {
      await this.#take(pieces);
      await this.#send();
      return this.#imported;
    } catch (error) {
      throw told(
        error,
        `; before it ${keysText(this.#imported)} ${this.#imported === 1 ? 'was' : 'were'} imported`,
      );
    } finally {
      this.#progress.end();
    }
  }

  async #take(pieces: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const { number, text } of linesOf(pieces)) {
        const operation = operationIn(text, number);
        if (operation !== null) await this.#add(operation, number);
      }
    } catch (error) {
      // What came before a bad line is stored, so that it is told where to go on.
      if (error instanceof CatenaError) await this.#send();
      throw error;
    }
  }

  async #add(operation: SetOperation, line: number): Promise<void> {
    const text = JSON.stringify(operation);
    if (this.#characters + text.length > BATCH_CHARACTERS_MAX) await this.#send();
    this.#waiting.push({ line, operation, text });
    this.#characters += text.length;
    if (this.#waiting.length >= BATCH_KEYS_MAX) await this.#send();
  }

  async #send(): Promise<void> {
    const rows = this.#waiting;
    this.#waiting = [];
    this.#characters = 0;
    // Escaped, a value can be too long for a batch that is none beside it: what is alone goes without.
    if (rows.length < 2 || !(await this.#batch(rows))) for (const row of rows) await this.#single(row);
    this.#progress.at(() => `imported ${keysText(this.#imported)} ...`);
  }

  async #single({ operation, line }: Row): Promise<void> {
    const { key, value, encoding, contentType, ttl } = operation;
    const answer = await this.#core.request({
      intent: 'write',
      method: 'PUT',
      path: `/set/${encodeURIComponent(key)}${ttl === undefined ? '' : `?ttl=${ttl}`}`,
      headers: contentType === undefined ? {} : { 'Content-Type': contentType },
      body: Buffer.from(value, encoding === 'base64' ? 'base64' : 'utf8'),
    });
    if (answer.status < 300) this.#imported++;
    else {
      const refusal = refusalOf(answer);
      throw new CatenaError('BAD_REQUEST', `line ${line} was refused: ${refusal.message}`, {
        cause: refusal,
      });
    }
  }

  /** @returns `false` when it was refused, and nothing of it is stored: one by one, they tell which of them is at fault. */
  async #batch(rows: readonly Row[]): Promise<boolean> {
    const answer = await this.#core.request({
      intent: 'write',
      method: 'POST',
      path: '/batch',
      headers: { 'Content-Type': 'application/json' },
      body: `{"operations":[${rows.map(({ text }) => text).join(',')}]}`,
    });
    if (answer.status === 200) this.#imported += rows.length;
    return answer.status === 200;
  }
}
