import type { Command } from 'commander';
import type { ServerOptions } from '../server/node.ts';
import { runAsProcess } from '../server/process.ts';
import { serverOptions, withServerOptions } from './server-options.ts';

/** `catena node ID` */
export function addNode(program: Command): void {
  withServerOptions(
    program.command('node').description('Runs one node of the topology, until Ctrl-C or SIGTERM.'),
  )
    .addHelpText('after', '\nExample:\n  $ catena node n1 --topology topology/local.json --data data/n1')
    .action(async (id: string | undefined, flags: Omit<ServerOptions, 'node'>, command: Command) => {
      const options = serverOptions(id, flags, command);
      // Loaded when needed: the HTTP side takes longer to load than the other commands take to run.
      const { startNode } = await import('../server/node.ts');
      await runAsProcess(options.node, (context) => startNode(options, context));
    });
}
