#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { CatenaError } from '../base/errors.ts';
import { addCompletion } from './completion.ts';
import { addCoordinator } from './coordinator.ts';
import { addDelete } from './delete.ts';
import { addDoctor } from './doctor.ts';
import { addExport } from './export.ts';
import { addForce } from './force.ts';
import { addGet } from './get.ts';
import { addImport } from './import.ts';
import { addIncrement } from './increment.ts';
import { addKeys } from './keys.ts';
import { addNode } from './node.ts';
import { addSet } from './set.ts';
import { addStatus } from './status.ts';
import { addTopology } from './topology.ts';
import { addUp } from './up.ts';
import { addWatch } from './watch.ts';

const FAILED = 1;
const WRONG_USAGE = 2;

const program = new Command('catena')
  .description('A key-value store replicated by chain replication, spoken to with plain HTTP.')
  .version(packageJson.version)
  .exitOverride()
  .showHelpAfterError('(add --help to see how it is used)')
  .addHelpText(
    'after',
    '\nExample: a chain of three on this machine, then ask it something\n  $ catena up\n  $ catena set greeting hello\n  $ curl -L http://localhost:4466/get/greeting',
  );

addUp(program);
addStatus(program);
addGet(program);
addSet(program);
addDelete(program);
addIncrement(program);
addKeys(program);
addWatch(program);
addExport(program);
addImport(program);
addNode(program);
addCoordinator(program);
addTopology(program);
addDoctor(program);
addForce(program);
addCompletion(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = tell(error);
}

/** Says what went wrong, unless commander has, and gives the exit code. */
function tell(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : WRONG_USAGE;
  if (!(error instanceof CatenaError)) {
    console.error(error);
    return FAILED;
  }
  console.error(`catena: ${error.message}`);
  return error.code === 'BAD_PARAMETER' ? WRONG_USAGE : FAILED;
}
