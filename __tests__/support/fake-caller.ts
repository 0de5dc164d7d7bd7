import type { Answer, Caller } from '../../src/client/caller.ts';

/** A caller of the client that can do no more than what is given here. */
export function fakeCaller(parts: Partial<Caller>): Caller {
  const absent = (name: string) => (): never => {
    throw new Error(`nobody was to call ${name}`);
  };
  return {
    request: absent('request'),
    operation: absent('operation'),
    stream: absent('stream'),
    ask: absent('ask'),
    chain: absent('chain'),
    ...parts,
  };
}

/** An answer with a JSON body. */
export function jsonAnswer(body: unknown, status = 200): Answer {
  return { status, headers: { get: () => null }, body: new TextEncoder().encode(JSON.stringify(body)) };
}

/** A refusal as a node sends it: `code` as in `precondition-failed`. */
export function problemAnswer(status: number, code: string, members: object = {}): Answer {
  const type = `urn:catena:problem:${code}`;
  return jsonAnswer({ type, title: code, status, detail: `${code}; do something else`, ...members }, status);
}
