const RANDOM_BYTES = 16;

/** Gives a write its `Idempotency-Key`: 128 random bits of this client, and a count. */
export class RequestIds {
  readonly #client: string;
  #given = 0;

  constructor() {
    const bytes = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));
    this.#client = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  }

  next(): string {
    return `${this.#client}-${(++this.#given).toString(36)}`;
  }
}
