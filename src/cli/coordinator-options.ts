import { type Command, InvalidArgumentError, Option } from 'commander';
import type { TopologyFile } from '../server/topology-file.ts';
import { CoordinatorClient } from './coordinator-client.ts';

/** Gives a command the option by which the coordinator is found. */
export function withCoordinatorUrl(command: Command): Command {
  return command.addOption(
    new Option(
      '--url <url>',
      'the coordinator (default: the first URL that the topology file has for it)',
    ).argParser(httpUrl),
  );
}

/** The coordinator that was named, or that of the topology. */
export function coordinatorOf(
  topology: TopologyFile['topology'],
  url: string | undefined,
): CoordinatorClient {
  const [coordinator] = Object.values(topology.coordinators);
  return new CoordinatorClient(url ?? coordinator?.urls[0] ?? '');
}

function httpUrl(text: string): string {
  const protocol = URL.parse(text)?.protocol;
  if (protocol === 'http:' || protocol === 'https:') return text;
  throw new InvalidArgumentError('Give a URL, such as http://localhost:4460.');
}
