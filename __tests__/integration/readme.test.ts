import { exec } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { Cluster } from '../support/cluster.ts';

/** One command of the README's tour, and what the README says came back. */
interface Step {
  readonly command: string;
  readonly output: string;
}

/** The `console` blocks: a line that begins with `$ ` is a command, the lines up to the next are its output. */
function tourOf(readme: string): Step[] {
  const blocks = [...readme.matchAll(/^```console\n(.*?)^```$/gms)].map(([, block]) => block ?? '');
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((part) => {
        const [command = '', ...output] = part.split('\n');
        return { command, output: output.join('\n').trim() };
      }),
  );
}

/** What differs from run to run, and only that, is taken out. */
function settled(output: string): string {
  return output
    .replaceAll('\r', '')
    .replace(/^Date: .*$/gm, 'Date: …')
    .replace(/^Expires-In: 5\d\.\d+$/gm, 'Expires-In: …')
    .replace(/"time":"[^"]+"/g, '"time":"…"')
    .replace(/^Content-Length: \d+$/gm, 'Content-Length: …')
    .trim();
}

function run(command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    exec(command.replace(/^curl /, 'curl -sS --max-time 20 '), (error, stdout) => {
      if (error) reject(error);
      else resolve(stdout);
    });
  });
}

const PORTS: Readonly<Record<string, string>> = { n1: '4466', n2: '4467', n3: '4468', c1: '4460' };

/** Runs the tour on a new chain, with the README's ports of the nodes turned round by `turn` places. */
async function runTour(steps: readonly Step[], turn: number): Promise<string[]> {
  const cluster = await Cluster.make();
  try {
    cluster.startAll();
    await cluster.ready();
    const { nodes } = cluster;
    const turned = (name: string) => nodes[(nodes.indexOf(name) + turn) % nodes.length] ?? name;
    const realPort = (name: string) => new URL(cluster.url(name)).port;
    const outputs: string[] = [];
    for (const { command } of steps) {
      let real = command;
      for (const [name, port] of Object.entries(PORTS)) {
        real = real.replace(
          `localhost:${port}`,
          `localhost:${realPort(name === 'c1' ? name : turned(name))}`,
        );
      }
      let output = await run(real);
      for (const [name, port] of Object.entries(PORTS)) {
        output = output.replaceAll(`localhost:${realPort(name)}`, `localhost:${port}`);
      }
      outputs.push(settled(output));
    }
    return outputs;
  } finally {
    await cluster.remove();
  }
}

describe("the README's tour", () => {
  let steps: Step[];

  beforeAll(async () => {
    steps = tourOf(await readFile(new URL('../../README.md', import.meta.url), 'utf8'));
  });

  test('prints what the README says', async () => {
    expect(steps.length).toBeGreaterThan(15);
    expect(await runTour(steps, 0)).toEqual(steps.map(({ output }) => settled(output)));
  }, 60_000);

  test.each([1, 2])(
    'with -L gives the same at every port (%i further on)',
    async (turn) => {
      // What is shown without following it depends on the port, and may take effect or not.
      const anywhere = steps.filter(({ command }) => /curl -L|forward=true|localhost:4460/.test(command));
      const outputs = await runTour(anywhere, turn);
      // An answer that came by a redirect shows the redirect's headers too: what counts is the last one.
      const last = (output: string) => output.slice(Math.max(0, output.lastIndexOf('HTTP/1.1')));
      expect(outputs.map(last)).toEqual(anywhere.map(({ output }) => last(settled(output))));
    },
    60_000,
  );
});
