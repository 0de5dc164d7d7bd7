/** What is told of a list of times. */
export interface Spread {
  readonly count: number;
  readonly median: number;
  readonly worst: number;
}

/** The middle and the highest of some times, in whole ms; 0 for none. */
export function spreadOf(timesMs: readonly number[]): Spread {
  const sorted = [...timesMs].sort((a, b) => a - b);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  const next = sorted[Math.ceil((sorted.length - 1) / 2)] ?? 0;
  return {
    count: sorted.length,
    median: Math.round((middle + next) / 2),
    worst: Math.round(sorted.at(-1) ?? 0),
  };
}

/** Rows under the names of their columns, aligned for reading. */
export function tableOf(rows: readonly Readonly<Record<string, string | number>>[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const lines = [columns, ...rows.map((row) => columns.map((column) => String(row[column] ?? '')))];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
