import http, { type IncomingMessage } from 'node:http';

/** A block of server-sent events. */
export interface EventBlock {
  /** `null` for a block without an event. */
  readonly event: string | null;
  readonly id: string | null;
  /** Parsed. */
  readonly data: unknown;
}

/** Reads a stream of server-sent events, as far and as fast as a test wants. */
export class EventReader {
  readonly blocks: EventBlock[] = [];
  comments = 0;
  bytes = 0;
  /** How it ended; `null` while it goes on. */
  end: 'whole' | 'broken' | null = null;
  readonly answer: IncomingMessage;
  #text = '';

  constructor(answer: IncomingMessage) {
    this.answer = answer;
    answer.setEncoding('utf8');
    answer.on('data', (text: string) => this.#take(text));
    answer.on('end', () => {
      this.end = 'whole';
    });
    answer.on('error', () => {
      this.end ??= 'broken';
    });
  }

  get events(): EventBlock[] {
    return this.blocks.filter(({ event }) => event !== null);
  }

  /** What a browser would resume with. */
  get lastId(): string | null {
    return this.blocks.findLast(({ id }) => id !== null)?.id ?? null;
  }

  /** Each event in a few words. */
  get told(): string[] {
    return this.events.map(({ event, data }) => {
      const { key, version, value } = data as { key: string; version: number; value?: string };
      return `${event} ${key}@${version}${value === undefined ? '' : `=${value}`}`;
    });
  }

  /** Waits until there is enough of what the test wants. */
  async until(holds: (reader: EventReader) => boolean, what = 'what was waited for'): Promise<void> {
    const untilMs = Date.now() + 20_000;
    while (!holds(this)) {
      if (Date.now() > untilMs) throw new Error(`${what} did not come: ${this.told.slice(-5)}, ${this.end}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  close(): void {
    this.answer.destroy();
  }

  #take(text: string): void {
    this.bytes += text.length;
    this.#text += text;
    for (let cut = this.#text.indexOf('\n\n'); cut >= 0; cut = this.#text.indexOf('\n\n')) {
      this.#block(this.#text.slice(0, cut));
      this.#text = this.#text.slice(cut + 2);
    }
  }

  #block(text: string): void {
    const lines = text.split('\n');
    const field = (name: string) =>
      lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
    this.comments += lines.filter((line) => line.startsWith(':')).length;
    const data = field('data');
    const block = { event: field('event') ?? null, id: field('id') ?? null };
    if (block.event === null && block.id === null) return;
    this.blocks.push({ ...block, data: data === undefined ? null : JSON.parse(data) });
  }
}

/** Opens a watch, following no redirect; its reader, whatever the status. */
export function openWatch(url: string, headers: Record<string, string> = {}): Promise<EventReader> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { headers, agent: false }, (answer) => resolve(new EventReader(answer)));
    request.on('error', reject);
  });
}
