import { type Command, InvalidArgumentError, Option } from 'commander';
import { CatenaError } from '../base/errors.ts';
import { systemClock } from '../platform/clock.ts';
import { readTopologyFile } from '../server/topology-file.ts';
import type { CoordinatorClient, TopologyNow } from './coordinator-client.ts';
import { coordinatorOf, withCoordinatorUrl } from './coordinator-options.ts';
import { chosenText, stepsText } from './topology-words.ts';

/** How often the coordinator is asked how far it has come, in ms. */
const FOLLOW_MS = 200;
/** A coordinator that is away for longer is given up, in ms: the cluster goes on when it is back. */
const AWAY_MS_MAX = 30_000;

interface ApplyOptions {
  readonly url?: string;
  readonly ifVersion?: number;
  readonly wait: boolean;
  readonly json: boolean;
}

/** Prints a line for people, or the same as JSON. */
type Print = (text: string, fields: { readonly kind: string; readonly [more: string]: unknown }) => void;

/** `catena topology apply FILE` */
export function addApply(topology: Command): void {
  withCoordinatorUrl(
    topology
      .command('apply')
      .description(
        'Has the running cluster take what a topology file says, and shows each step until it has.',
      )
      .argument('<file>', 'the topology file'),
  )
    .addOption(
      new Option(
        '--if-version <n>',
        'only if the cluster still has this version (default: the one it has when the command starts)',
      ).argParser(versionOf),
    )
    .option('--no-wait', 'end when the topology is taken, while its steps are still under way')
    .option('--json', 'print JSON lines', false)
    .addHelpText('after', '\nExample:\n  $ catena topology apply topology/local.json')
    .action(apply);
}

async function apply(file: string, options: ApplyOptions): Promise<void> {
  const { topology, text } = await readTopologyFile(file);
  const coordinator = coordinatorOf(topology, options.url);
  const print: Print = (line, fields) => console.log(options.json ? JSON.stringify(fields) : line);
  const before = await coordinator.topology();
  const ifVersion = options.ifVersion ?? before.version;
  const { version, plan } = await coordinator.edit(text, { ifVersion, dryRun: false });
  print(takenText(before.version, { version, plan }), { kind: 'taken', version, plan });
  if (options.wait) await new Steps(coordinator, print, { version, epoch: before.epoch }).follow();
}

function takenText(before: number, { version, plan }: { version: number; plan: readonly string[] }): string {
  const taken =
    version === before ? `it is version ${version}, which runs already` : `taken as version ${version}`;
  return plan.length === 0 ? taken : `${taken}; the steps:\n${stepsText(plan)}`;
}

/** Shows what the coordinator does until nothing of the plan is left. */
class Steps {
  readonly #coordinator: CoordinatorClient;
  readonly #print: Print;
  readonly #version: number;
  #epoch: number;
  #waits: readonly string[] = [];
  #heardAtMs = systemClock.now().monotonicMs;

  /** `version`: that of the edit. `epoch`: the last that was chosen before it. */
  constructor(
    coordinator: CoordinatorClient,
    print: Print,
    { version, epoch }: { version: number; epoch: number },
  ) {
    this.#coordinator = coordinator;
    this.#print = print;
    this.#version = version;
    this.#epoch = epoch;
  }

  /** @throws CatenaError TOPOLOGY_CONFLICT when a later edit takes the place of this one; NOT_READY when the coordinator is away. */
  async follow(): Promise<void> {
    for (;;) {
      const now = await this.#look();
      if (now !== null) {
        if (now.version !== this.#version) throw superseded(this.#version, now.version);
        if (now.plan.length === 0) return this.#done(now);
      }
      await new Promise<void>((resolve) => systemClock.after(FOLLOW_MS, resolve));
    }
  }

  /** `null` while the coordinator is away for a moment. */
  async #look(): Promise<TopologyNow | null> {
    try {
      const now = await this.#coordinator.topology();
      // Asked behind it, so that nothing is missing when the plan is empty.
      await this.#showChosen();
      await this.#showWaits();
      this.#heardAtMs = systemClock.now().monotonicMs;
      return now;
    } catch (error) {
      if (!(error instanceof CatenaError)) throw error;
      const awayMs = systemClock.now().monotonicMs - this.#heardAtMs;
      if (awayMs < AWAY_MS_MAX) return null;
      throw new CatenaError(
        error.code,
        `${error.message}. The edit is taken: its steps go on when it is back`,
        {
          cause: error,
        },
      );
    }
  }

  async #showChosen(): Promise<void> {
    for (const chosen of await this.#coordinator.chosenSince(this.#epoch)) {
      this.#print(chosenText(chosen), { kind: 'configuration', ...chosen });
      this.#epoch = chosen.epoch;
    }
  }

  async #showWaits(): Promise<void> {
    const { waitingFor } = await this.#coordinator.status();
    for (const wait of waitingFor) {
      if (!this.#waits.includes(wait)) this.#print(`waiting: ${wait}`, { kind: 'waiting', for: wait });
    }
    this.#waits = waitingFor;
  }

  #done({ members, epoch }: TopologyNow): void {
    const chain = members.length === 0 ? 'there is no chain yet' : `the chain is ${members.join(' -> ')}`;
    this.#print(`done: ${chain}`, { kind: 'done', version: this.#version, epoch, members });
  }
}

function superseded(version: number, now: number): CatenaError {
  return new CatenaError(
    'TOPOLOGY_CONFLICT',
    `version ${version} was taken, but the topology was edited again since: it has version ${now} now, and its steps are taken instead`,
  );
}

function versionOf(text: string): number {
  const version = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(version)) return version;
  throw new InvalidArgumentError('Give a version, such as 3: GET /topology of the coordinator has it.');
}
