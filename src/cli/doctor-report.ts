import type { Finding, Judgement } from './doctor-judgement.ts';
import type { Seen } from './doctor-seen.ts';
import { nth, peerText, standingText, type Told, tell } from './doctor-words.ts';

/** A list of what was found and a judgement, for people. Sentences are folded at `columns`. */
export function reportText(
  { seen, judgement }: { seen: Seen; judgement: Judgement },
  { file, columns }: { file: string; columns: number },
): string {
  const paragraphs = (findings: readonly Finding[]): readonly string[] =>
    sentences(findings.map((finding) => tell(finding, file))).map((sentence) => folded(sentence, columns));
  const notes = paragraphs(judgement.notes);
  const faults = paragraphs(judgement.faults);
  const lines = [
    `${file} ("${seen.file.name}"), tried from here:`,
    '',
    ...rows(seen, judgement),
    '',
    ...(notes.length === 0 ? [] : ['Worth knowing:', ...notes, '']),
    ...(faults.length === 0 ? [] : [`Wrong:`, ...faults, '']),
    folded(closing(seen, judgement), columns),
  ];
  // Whatever answers is quoted: it shall not steer the terminal.
  return lines.join('\n').replaceAll(/[^\P{Cc}\n]/gu, ' ');
}

/** The same for programs, in a shape that stays. Places count from 1. */
export function reportJson(
  { seen, judgement }: { seen: Seen; judgement: Judgement },
  { file }: { file: string },
): object {
  const { ok, use, places, required } = judgement;
  return {
    ok,
    file,
    cluster: seen.file.name,
    use: use?.url ?? null,
    places: places.map((works, place) => ({ place: place + 1, works })),
    processes: seen.processes.map(({ kind, name, peer }) => ({
      kind,
      name,
      required: kind === 'coordinator' || required.includes(name),
      urls: judgement.urls.filter(({ process }) => process.name === name).map(urlJson),
      peer: {
        address: peer.address,
        addresses: peer.addresses,
        found: peer.found.kind,
        text: peerText(peer),
      },
    })),
    faults: judgement.faults.map((finding) => findingJson(finding, file)),
    notes: judgement.notes.map((finding) => findingJson(finding, file)),
  };
}

function urlJson(standing: Judgement['urls'][number]): object {
  const { seen, place, right, safe } = standing;
  const { found } = seen;
  const {
    node = null,
    role = null,
    epoch = null,
    unwell = null,
    unready = null,
  } = found.kind === 'catena' ? found : {};
  return {
    url: seen.url,
    place: place + 1,
    addresses: seen.addresses,
    found: found.kind,
    right,
    safe,
    node,
    role,
    epoch,
    unwell,
    unready,
    text: standingText(standing),
  };
}

function findingJson(finding: Judgement['faults'][number], file: string): object {
  const process = 'process' in finding ? finding.process.name : 'to' in finding ? finding.to : null;
  return { kind: finding.kind, process, ...tell(finding, file) };
}

/** What several findings in a row ask for is said once. */
function sentences(told: readonly Told[]): readonly string[] {
  return told.map(({ text, todo }, at) => {
    const said = todo === null || told[at + 1]?.todo === todo;
    return `- ${text}${said ? '' : `. What to do: ${todo}`}`;
  });
}

/** A line for each address: the name of the process at its first. */
function rows({ processes }: Seen, { urls }: Judgement): readonly string[] {
  const lines = processes.flatMap(({ name, peer }) => [
    ...urls
      .filter(({ process }) => process.name === name)
      .map((standing, at) => [at === 0 ? name : '', standing.seen.url, standingText(standing)] as const),
    ['', `peer ${peer.address}`, peerText(peer)] as const,
  ]);
  const width = (column: 0 | 1): number => Math.max(...lines.map((line) => line[column].length));
  const [first, second] = [width(0), width(1)];
  return lines.map(([name, address, text]) => `${name.padEnd(first)}  ${address.padEnd(second)}  ${text}`);
}

function closing(seen: Seen, { ok, use, places, faults }: Judgement): string {
  const count = faults.length === 1 ? 'One thing is wrong' : `${faults.length} things are wrong`;
  const wrong = ok ? '' : `${count}, see above. `;
  if (faults.some(({ kind }) => kind === 'nothing-answers')) return 'No URL answers from here, see above.';
  if (use === null) return `${wrong}No URL serves from here: from each, some redirect would lead nowhere.`;
  const list = places.length === 1 ? '' : ` (the ${nth(use.place)} URL of every node)`;
  const whole = use.whole ? list : '';
  const how = `From here, use ${use.url}${whole}: curl -L follows each redirect to there.`;
  const others =
    seen.processes.filter(({ kind }) => kind === 'node').length > 1 ? ' Any other node does as well.' : '';
  return `${wrong}${how}${use.whole ? others : ''}`;
}

/** Lines no longer than that, those after the first set in. */
function folded(text: string, columns: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = `  ${word}`;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join('\n');
}
