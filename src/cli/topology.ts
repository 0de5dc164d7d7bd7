import type { Command } from 'commander';
import { readTopologyFile } from '../server/topology-file.ts';
import { addApply } from './topology-apply.ts';
import { addPlan } from './topology-plan.ts';

/** `catena topology`: `check`, `plan` and `apply`. */
export function addTopology(program: Command): void {
  const topology = program
    .command('topology')
    .description('Checks topology files, and brings them to the running cluster.');
  topology
    .command('check')
    .description('Checks a topology file, and tells all of its problems with their lines.')
    .argument('<file>', 'the topology file')
    .addHelpText('after', '\nExample:\n  $ catena topology check topology/local.json')
    .action(check);
  addPlan(topology);
  addApply(topology);
}

async function check(file: string): Promise<void> {
  const { topology } = await readTopologyFile(file);
  const members = topology.chain.slice(0, topology.replicas);
  const others = Object.keys(topology.nodes).filter((id) => !members.some((member) => member === id));
  const spares = others.length === 0 ? '' : `, beside it ${others.join(', ')}`;
  console.log(`${file} is good: the chain is ${members.join(' -> ')}${spares}`);
}
