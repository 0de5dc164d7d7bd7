import type { Command } from 'commander';
import type { ServerOptions } from '../server/node.ts';
import { runAsProcess } from '../server/process.ts';
import { serverOptions, withServerOptions } from './server-options.ts';

/** `catena coordinator ID` */
export function addCoordinator(program: Command): void {
  withServerOptions(
    program
      .command('coordinator')
      .description('Runs one coordinator of the topology, until Ctrl-C or SIGTERM.'),
  )
    .addHelpText(
      'after',
      '\nExample:\n  $ catena coordinator c1 --topology topology/local.json --data data/c1',
    )
    .action(async (id: string | undefined, flags: Omit<ServerOptions, 'node'>, command: Command) => {
      const options = serverOptions(id, flags, command);
      // Loaded when needed: the HTTP side takes longer to load than the other commands take to run.
      const { startCoordinator } = await import('../server/coordinator.ts');
      await runAsProcess(options.node, (context) => startCoordinator(options, context));
    });
}
