import type { Chosen, Transfer } from './up-running.ts';

const MB = 1_000_000;

/** A configuration in a line: `epoch 5: n1, n3 — n2 refused connections for 60 ms (removed n2)`. */
export function configurationText({ epoch, members, reason, change }: Chosen): string {
  const because = [reason, change === '' ? '' : `(${change})`].filter((part) => part !== '').join(' ');
  return `epoch ${epoch}: ${members.join(', ')}${because === '' ? '' : ` — ${because}`}`;
}

/** How far a state transfer has come, in a line. The totals are estimates, so more than all of it is shown as all. */
export function transferText(node: string, transfer: Transfer): string {
  const { bytes, bytesTotal, keys, keysTotal, bytesPerSecond, secondsLeft } = transfer;
  const percent = bytesTotal > 0 ? Math.min(100, Math.floor((100 * bytes) / bytesTotal)) : 0;
  const parts = [
    `${megabytes(bytes)} of ${megabytes(Math.max(bytes, bytesTotal))} MB`,
    `${count(keys)} of ${count(Math.max(keys, keysTotal))} keys`,
    `${megabytes(bytesPerSecond)} MB/s`,
    ...(secondsLeft === null ? [] : [`${Math.ceil(secondsLeft)} s left`]),
  ];
  return `${node} is given the data: ${percent} % (${parts.join(', ')})`;
}

function megabytes(bytes: number): string {
  return (bytes / MB).toFixed(1);
}

function count(number: number): string {
  return number.toLocaleString('en');
}
