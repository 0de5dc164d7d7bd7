import { type Command, Option } from 'commander';
import { CatenaError } from '../base/errors.ts';
import { readTopologyFile } from '../server/topology-file.ts';
import { CoordinatorClient } from './coordinator-client.ts';
import { coordinatorOf, withCoordinatorUrl } from './coordinator-options.ts';
import { type Fields, fieldsOf, numberOf } from './json-fields.ts';

interface ForceOptions {
  readonly survivor: string;
  readonly topology?: string;
  readonly url?: string;
  readonly yesDataMayBeLost: boolean;
  readonly json: boolean;
}

/** `catena force` */
export function addForce(program: Command): void {
  withCoordinatorUrl(
    program
      .command('force')
      .description('Makes one node the whole chain, when the others are gone for good. Data may be lost.')
      .requiredOption('--survivor <node>', 'the node that is to be the whole chain')
      .addOption(
        new Option('--topology <file>', 'the topology file, to find the coordinator').env('CATENA_TOPOLOGY'),
      ),
  )
    .option('--yes-data-may-be-lost', 'do it: what the survivor does not hold is lost for good', false)
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      '\nWithout --yes-data-may-be-lost it changes nothing, and says what each node holds.\n\nExample:\n  $ catena force --survivor n2 --topology topology/local.json',
    )
    .action(force);
}

async function force(options: ForceOptions, command: Command): Promise<void> {
  const { survivor, json } = options;
  const coordinator = await coordinatorFor(options, command);
  const { nodes } = await coordinator.status();
  if (!options.yesDataMayBeLost) {
    throw Object.hasOwn(nodes, survivor) ? notConfirmed(survivor, nodes) : unknown(survivor, nodes);
  }
  const epoch = await coordinator.force(survivor);
  console.log(
    json
      ? JSON.stringify({ epoch, survivor })
      : `epoch ${epoch}: the chain is ${survivor} alone; spare nodes join it as the topology says`,
  );
}

async function coordinatorFor({ topology, url }: ForceOptions, command: Command): Promise<CoordinatorClient> {
  if (url !== undefined) return new CoordinatorClient(url);
  if (topology === undefined) command.error('error: give --topology FILE or --url URL');
  return coordinatorOf((await readTopologyFile(topology)).topology, undefined);
}

function unknown(survivor: string, nodes: Fields): CatenaError {
  const known = Object.keys(nodes).join(', ');
  return new CatenaError(
    'TOPOLOGY_REFUSED',
    `${survivor} is no node that the coordinator knows: ${known === '' ? 'it knows none yet' : `it knows ${known}`}`,
  );
}

function notConfirmed(survivor: string, nodes: Fields): CatenaError {
  const held = Object.entries(nodes).map(([node, seen]) => `  ${node}: ${heldText(fieldsOf(seen))}`);
  return new CatenaError(
    'BAD_PARAMETER',
    [
      `nothing is changed. Forcing makes ${survivor} the whole chain, whatever the others hold: every acknowledged write that`,
      `${survivor} does not hold is lost for good. What the nodes said last:`,
      ...held,
      'Take the one with the highest epoch, and among those the one that holds most entries. If the others never come back, add --yes-data-may-be-lost',
    ].join('\n'),
  );
}

function heldText(seen: Fields): string {
  const received = numberOf(seen.received);
  if (received === null) return 'never heard';
  const heard = seen.heard === true ? 'heard' : 'not heard any more';
  return `${heard}; epoch ${numberOf(seen.epoch) ?? 0}, holds entries up to ${received}, of which ${numberOf(seen.committed) ?? 0} are known to be committed`;
}
