import { unreachable } from '../base/assert.ts';
import type { ClusterFinding, Stale } from './doctor-cluster.ts';

/** What is wrong, or worth knowing, with the cluster itself. */
export function clusterText(finding: ClusterFinding): string {
  switch (finding.kind) {
    case 'unwell':
      return `${finding.process.name} is not well: ${finding.reason}`;
    case 'not-ready':
      return `${finding.process.name} is not ready: ${finding.reason}`;
    case 'read-fails':
      return `${finding.process.name} does not answer a read, nor redirect it: ${finding.reason}`;
    case 'behind':
      return `${finding.process.name} is still at epoch ${finding.epoch}, while others were at ${finding.newest} a moment before`;
    case 'chain-short': {
      const { members, replicas, missing } = finding;
      return `the chain has ${members.length} of ${replicas} members: ${members.join(' -> ')}, without ${missing.join(' and ')}`;
    }
    case 'unheard':
      return `the coordinator ${finding.coordinator} doesn't hear ${finding.process.name}, which answers here`;
    case 'other-store':
      return `the ${finding.process.name} that answers here is not the one that the coordinator ${finding.coordinator} hears: it has another data directory`;
    case 'waits':
      return `the coordinator ${finding.process.name} waits: ${finding.reason}`;
    case 'refused-edit':
      return `the coordinator ${finding.process.name} refused the last edit of the topology: ${finding.problem}`;
    case 'stale':
      return staleText(finding);
    default:
      return unreachable(finding);
  }
}

/** What to do about it. */
export function clusterAdvice(finding: ClusterFinding, file: string): string {
  switch (finding.kind) {
    case 'unwell':
      return `docs/operations.md says what to do; the log of ${finding.process.name} says more`;
    case 'not-ready':
    case 'read-fails':
      return `if it stays so, see waitingFor in the coordinator's /status, and the log of ${finding.process.name}`;
    case 'behind':
      return `see whether it reaches its neighbours and the coordinator at their peer addresses, from where it runs`;
    case 'chain-short':
      return `the coordinator takes them in by itself when they run and it hears them: see its /status`;
    case 'unheard':
      return `see whether the peer address of the coordinator can be reached from where ${finding.process.name} runs, and the log there`;
    case 'other-store':
      return `two clusters with the same names run: stop one of them, or give its nodes other ports`;
    case 'waits':
      return 'docs/operations.md says what to do about what a coordinator waits for; its /status says what it sees of each node';
    case 'refused-edit':
      return `catena topology check FILE says what is wrong with a file`;
    case 'stale':
      return `catena topology apply ${file} has the cluster take what the file says; or correct the file`;
    default:
      return unreachable(finding);
  }
}

function staleText({ process, by, what, running, file }: Stale): string {
  const whose = `the running cluster (as ${by.join(', ')} ${by.length === 1 ? 'has' : 'have'} it)`;
  const { name } = process;
  if (running === null) return `${whose} has no ${process.kind} ${name}; the file has`;
  const at = what === 'peer' ? 'with the peer address' : 'at';
  if (file === null)
    return `${whose} has ${name} at ${running.join(', ')}; the file has no such ${process.kind}`;
  return `${whose} has ${name} ${at} ${running.join(', ')}; the file says ${file.join(', ')}`;
}
