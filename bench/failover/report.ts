import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const RESULTS = fileURLToPath(new URL('../results', import.meta.url));

/** Prints a result for people, and with `--json` keeps it in `bench/results/NAME.json` as well. */
export function report(
  name: string,
  { text, result, json }: { text: string; result: object; json: boolean },
): void {
  console.log(text);
  if (!json) return;
  mkdirSync(RESULTS, { recursive: true });
  const file = join(RESULTS, `${name}.json`);
  const machine = {
    time: new Date().toISOString(),
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
  };
  writeFileSync(file, `${JSON.stringify({ machine, ...result }, null, 2)}\n`);
  console.log(`kept in bench/results/${name}.json`);
}

/** What went wrong while a load ran, in a line: nothing is left out. */
export function reasonsText(reasons: ReadonlyMap<string, number>): string {
  const sorted = [...reasons].sort(([, a], [, b]) => b - a);
  return sorted.length === 0 ? 'none' : sorted.map(([reason, count]) => `${reason} × ${count}`).join(', ');
}
