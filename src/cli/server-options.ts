import { type Command, InvalidArgumentError, Option } from 'commander';
import { peerEndpoint } from '../protocol/addresses.ts';
import type { ServerOptions } from '../server/node.ts';

type Flags = Omit<ServerOptions, 'node'>;

/** Gives a command the argument and the options of `node` and `coordinator`. */
export function withServerOptions(command: Command): Command {
  return command
    .argument('[id]', 'its name in the topology file (env: CATENA_NODE)')
    .addOption(
      new Option('--topology <file>', 'the topology file').env('CATENA_TOPOLOGY').makeOptionMandatory(),
    )
    .addOption(
      new Option('--data <dir>', 'its data directory, made if it is not there')
        .env('CATENA_DATA')
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--listen <host:port>', 'where to serve HTTP, instead of what the topology says')
        .env('CATENA_LISTEN')
        .argParser(hostPort),
    )
    .addOption(
      new Option('--listen-peer <host:port>', 'where to accept peers, instead of what the topology says')
        .env('CATENA_LISTEN_PEER')
        .argParser(hostPort),
    )
    .addHelpText(
      'after',
      '\nLog lines go to standard output; CATENA_LOG_LEVEL (info) is the least that is logged.',
    );
}

/** What the command line asks for; a missing ID ends the program as wrong usage. */
export function serverOptions(id: string | undefined, flags: Flags, command: Command): ServerOptions {
  const node = id ?? process.env.CATENA_NODE;
  if (node === undefined) command.error("error: missing argument 'id' (or CATENA_NODE)");
  return { ...flags, node };
}

function hostPort(text: string): string {
  if (peerEndpoint(text) === null) throw new InvalidArgumentError('Give HOST:PORT, such as 0.0.0.0:4466.');
  return text;
}
