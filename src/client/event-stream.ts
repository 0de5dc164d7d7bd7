/** One block of a stream of server-sent events. */
export interface ServerEvent {
  /** Its name; empty when it has none. */
  readonly event: string;
  /** `null` when the block has no data: a place (`id`) alone. */
  readonly data: string | null;
  /** `null` when this block names none. (To a browser's EventSource the last one stays: here it matters which block had it.) */
  readonly id: string | null;
}

/** The most characters that one block may have: far beyond what a node's limits let a value be. */
const BLOCK_CHARACTERS_MAX = 268_435_456;

/**
 * Takes a stream of server-sent events apart as its bytes come, however they are cut. WHATWG HTML §9.2.6, but for two
 * things: a block of an `id` alone is given out too, and `id` does not last. What stands in no complete block is no event.
 */
export class EventStreamDecoder {
  readonly #decoder = new TextDecoder();
  /** The line that has begun. */
  #line = '';
  /** The last piece ended with CR: an LF at the beginning of the next belongs to it. */
  #afterCr = false;
  #event = '';
  #data: string[] = [];
  #id: string | null = null;
  #characters = 0;

  /**
   * @returns the events that are complete with these bytes.
   * @throws RangeError when a block grows beyond any sense.
   */
  push(bytes: Uint8Array): ServerEvent[] {
    const text = this.#decoder.decode(bytes, { stream: true });
    if (text === '') return [];
    const [first = '', ...others] = (this.#afterCr ? text.replace(/^\n/, '') : text).split(/\r\n|\n|\r/);
    this.#afterCr = text.endsWith('\r');
    this.#characters += text.length;
    if (this.#characters - text.length > BLOCK_CHARACTERS_MAX) {
      throw new RangeError(`an event has more than ${BLOCK_CHARACTERS_MAX} characters`);
    }
    this.#line += first;
    const events: ServerEvent[] = [];
    for (const begun of others) {
      const event = this.#endLine();
      if (event !== null) events.push(event);
      this.#line = begun;
    }
    return events;
  }

  /** An empty line ends the block. */
  #endLine(): ServerEvent | null {
    if (this.#line === '') return this.#endBlock();
    const colon = this.#line.indexOf(':');
    const name = colon < 0 ? this.#line : this.#line.slice(0, colon);
    const value = colon < 0 ? '' : this.#line.slice(colon + 1).replace(/^ /, '');
    this.#field(name, value);
    return null;
  }

  /** A comment is a field without a name. */
  #field(name: string, value: string): void {
    if (name === 'event') this.#event = value;
    else if (name === 'data') this.#data.push(value);
    else if (name === 'id' && !value.includes('\0')) this.#id = value;
  }

  #endBlock(): ServerEvent | null {
    const event: ServerEvent = {
      event: this.#event,
      data: this.#data.length === 0 ? null : this.#data.join('\n'),
      id: this.#id,
    };
    this.#event = '';
    this.#data = [];
    this.#id = null;
    this.#characters = 0;
    return event.data === null && event.id === null ? null : event;
  }
}
