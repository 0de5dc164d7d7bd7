import { type IncomingMessage, request } from 'node:http';
import { isItself } from './dialler.ts';
import { connectTo, type ProbedPort } from './probe-connect.ts';
import { type NetworkTrouble, troubleOf } from './probe-trouble.ts';

/** An answer over HTTP, whatever it says; a redirect is not followed. */
export interface HttpAnswer {
  readonly kind: 'answer';
  readonly status: number;
  readonly location: string | null;
  /** What it says of itself in `Catena-Node`. */
  readonly catenaNode: string | null;
  /** The body, cut off at `charactersMax`. */
  readonly text: string;
}

/** How a page is asked for. */
interface PageOptions {
  /** Where the URL's host and port lead. */
  readonly to: ProbedPort;
  /** From the connection to the end of the answer. */
  readonly withinMs: number;
  readonly charactersMax: number;
}

/** Asks for a page on a connection of its own. No proxy has a say: what is tried is the address itself. */
export function getPage(url: string, options: PageOptions): Promise<HttpAnswer | NetworkTrouble> {
  const { to, withinMs, charactersMax } = options;
  return new Promise((resolve) => {
    let connected = false;
    const socket = connectTo(to);
    const asked = request(url, { createConnection: () => socket });
    const end = (found: HttpAnswer | NetworkTrouble): void => {
      clearTimeout(timeout);
      asked.destroy();
      resolve(found);
    };
    const timeout = setTimeout(() => end({ kind: connected ? 'mute' : 'silent', withinMs }), withinMs);
    // Stays: an error that nobody listens for would end the process.
    asked.on('error', (error) => end(troubleOf(error, { withinMs })));
    socket.once('connect', () => {
      connected = true;
      if (isItself(socket)) end({ kind: 'refused' });
    });
    asked.on('response', (response) => {
      readText(response, charactersMax).then(
        (text) => end({ ...headOf(response), text }),
        (error: unknown) => end(troubleOf(error, { withinMs })),
      );
    });
    asked.end();
  });
}

function headOf({ statusCode = 0, headers }: IncomingMessage): Omit<HttpAnswer, 'text'> {
  const node = headers['catena-node'];
  return {
    kind: 'answer',
    status: statusCode,
    location: headers.location ?? null,
    catenaNode: typeof node === 'string' ? node : null,
  };
}

async function readText(response: IncomingMessage, charactersMax: number): Promise<string> {
  response.setEncoding('utf8');
  let text = '';
  for await (const part of response) {
    text += part;
    if (text.length >= charactersMax) return text.slice(0, charactersMax);
  }
  return text;
}
