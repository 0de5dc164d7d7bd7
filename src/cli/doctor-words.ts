import { unreachable } from '../base/assert.ts';
import type { NetworkTrouble } from '../platform/probe-trouble.ts';
import { urlEndpoint } from '../protocol/addresses.ts';
import { clusterAdvice, clusterText } from './doctor-cluster-words.ts';
import type { AddressFinding, Finding, VainRedirect } from './doctor-judgement.ts';
import type { UrlStanding } from './doctor-redirects.ts';
import type { Catena, ProcessSeen, UrlFound, UrlSeen } from './doctor-seen.ts';

const PLACES = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth'];

/** A finding for people, and what to do about it; the latter is `null` for what is normal. */
export interface Told {
  readonly text: string;
  readonly todo: string | null;
}

/** What a finding says. `file` is the name of the topology file. */
export function tell(finding: Finding, file: string): Told {
  switch (finding.kind) {
    case 'nothing-answers':
    case 'no-answer':
    case 'no-part':
    case 'wrong-process':
    case 'redirect-in-vain':
    case 'other-place':
    case 'peers':
      return { text: addressText(finding, file), todo: addressAdvice(finding, file) };
    default:
      return { text: clusterText(finding), todo: clusterAdvice(finding, file) };
  }
}

/** A place of the lists: `first` for 0. */
export function nth(place: number): string {
  return PLACES[place] ?? `${place + 1}th`;
}

/** What was found at a URL, in a line. */
export function standingText({ process, seen, right, safe }: UrlStanding): string {
  const { found } = seen;
  if (!right) return found.kind === 'catena' ? wrongText(process, found) : foundText(seen);
  if (found.kind !== 'catena') return foundText(seen);
  const role = process.kind === 'coordinator' ? 'coordinator' : found.role;
  const ill = found.unwell !== null ? 'answers, but is not well' : 'answers, but is not ready';
  const state = found.unwell === null && found.unready === null ? 'ok' : ill;
  const vain = safe ? '' : '; it redirects in vain from here';
  return `${state}: ${role}, epoch ${found.epoch}${aliasText(seen)}${vain}`;
}

/** What was found at a peer address, in a line. */
export function peerText({ address, addresses, found }: ProcessSeen['peer']): string {
  if (found.kind === 'open') return 'ok';
  return foundText({ url: `http://${address}`, addresses, found });
}

function wrongText(process: { readonly kind: string; readonly name: string }, found: Catena): string {
  const cluster = found.running?.topology.name;
  const same =
    found.node === process.name && (found.role === 'coordinator') === (process.kind === 'coordinator');
  return `wrong: it leads to ${whoText(found)}${same ? ` of another cluster, "${cluster}"` : ''}`;
}

function whoText({ role, node }: Catena): string {
  return role === 'coordinator' ? `the coordinator ${node}` : `the node ${node}`;
}

function foundText({ url, addresses, found }: UrlSeen): string {
  const text = troubleText(found, hostOf(url));
  const where = addresses.filter((address) => address !== hostOf(url));
  return where.length === 0 || hostOf(url) === 'localhost'
    ? text
    : `${text} (${hostOf(url)} is ${where.join(', ')})`;
}

/** Why a URL does not serve, as the end of a sentence. */
function troubleText(found: UrlFound | ProcessSeen['peer']['found'], host: string): string {
  switch (found.kind) {
    case 'unknown-name':
      return `the name ${host} isn't known here${found.asked ? '' : ' (no name server answered)'}`;
    case 'refused':
      return 'refused: nothing listens there';
    case 'unreachable':
      return `this machine has no way there (${found.errno})`;
    case 'silent':
      return `no answer within ${seconds(found)}`;
    case 'mute':
      return `takes connections, but answers nothing within ${seconds(found)}`;
    case 'broken':
      return `the connection broke (${found.reason}): is it another service?`;
    case 'stranger':
      return `something else than catena: ${found.what}`;
    case 'catena':
      return `it leads to ${found.node}`;
    case 'open':
      return 'it takes connections';
    default:
      return unreachable(found);
  }
}

function seconds({ withinMs }: Extract<NetworkTrouble, { kind: 'silent' | 'mute' }>): string {
  return `${withinMs / 1000} s`;
}

function aliasText({ url, addresses }: UrlSeen): string {
  const host = hostOf(url);
  const others = addresses.filter((address) => address !== host);
  return others.length === 0 || host === 'localhost' ? '' : ` (${others.join(', ')})`;
}

function hostOf(url: string): string {
  return urlEndpoint(url)?.host ?? url;
}

function addressText(finding: AddressFinding, file: string): string {
  switch (finding.kind) {
    case 'nothing-answers': {
      const why = finding.why.map((it) => `${it.url}: ${foundText(it)}`).join('; ');
      return `nothing of the cluster answers at any URL of ${file} from here (${why})`;
    }
    case 'no-answer': {
      const { process, why, heard } = finding;
      const runs =
        heard === true
          ? '; it runs, as the coordinator hears it, so a redirect to it would lead nowhere from here'
          : '';
      return `${label(process)} answers at none of its URLs (${why.url}: ${foundText(why)})${runs}`;
    }
    case 'no-part':
      return `${finding.process.name} does not answer; it is not in the chain, so nobody is redirected to it`;
    case 'wrong-process':
      return wrongProcessText(finding, file);
    case 'redirect-in-vain':
      return vainText(finding, file);
    case 'other-place':
      return otherPlaceText(finding);
    case 'peers': {
      const names = finding.processes.map(({ name }) => name).join(', ');
      const whose = finding.all ? 'none of the peer addresses' : `the peer addresses of ${names}`;
      const can = finding.all ? 'can be reached from here' : "can't be reached from here";
      return `${whose} ${can}; that matters only to a node or coordinator that you run here`;
    }
    default:
      return unreachable(finding);
  }
}

function vainText({ to, url, why, from }: VainRedirect, file: string): string {
  const what =
    why === null ? `which ${file} doesn't have for it` : `and there: ${troubleText(why, hostOf(url))}`;
  return `${from.join(' and ')} would redirect you to ${to} at ${url}, ${what}`;
}

function wrongProcessText(finding: Extract<AddressFinding, { kind: 'wrong-process' }>, file: string): string {
  const { url, process, found, otherCluster, exchanged, grave } = finding;
  if (exchanged)
    return `the URLs of ${process.name} and ${found.node} are exchanged: ${url} leads to ${found.node}`;
  const cluster = otherCluster ? ` of the cluster "${found.running?.topology.name}"` : '';
  const who = `${url}, where ${file} has ${label(process)}, leads to ${whoText(found)}${cluster}`;
  return grave ? who : `${who}: normal inside its container, where localhost is ${found.node} itself`;
}

function otherPlaceText({
  place,
  lacking,
  partly,
}: Extract<AddressFinding, { kind: 'other-place' }>): string {
  const [first] = lacking;
  const names = lacking.every(({ found }) => found.kind === 'unknown-name');
  const example = first === undefined ? '' : ` (${first.url}: ${foundText(first)})`;
  const what = names ? 'have names of another network' : "don't all lead to their process from here";
  const others = `the ${nth(place)} URLs ${what}${example}; that is normal while others serve`;
  if (partly.length === 0) return others;
  const urls = partly.map(({ seen }) => seen.url).join(', ');
  return `${others}, but don't use ${urls} here: it redirects to such`;
}

function addressAdvice(finding: AddressFinding, file: string): string | null {
  switch (finding.kind) {
    case 'nothing-answers':
      return nothingAdvice(finding.why, file);
    case 'no-answer':
      return noAnswerAdvice(finding, file);
    case 'wrong-process':
      return wrongAdvice(finding, file);
    case 'redirect-in-vain':
      return vainAdvice(finding, file);
    case 'no-part':
    case 'other-place':
    case 'peers':
      return null;
    default:
      return unreachable(finding);
  }
}

function nothingAdvice(why: readonly UrlSeen[], file: string): string {
  const start = `start it (catena up --topology ${file}, or docker compose up -d)`;
  const unknown = why.find(({ found }) => found.kind === 'unknown-name');
  const otherwise = 'give the file of the cluster that runs';
  if (unknown === undefined) return `${start}, or ${otherwise}`;
  return `${start}; if it runs, start the doctor where ${hostOf(unknown.url)} is known, publish the ports, or ${otherwise}`;
}

function noAnswerAdvice(finding: Extract<AddressFinding, { kind: 'no-answer' }>, file: string): string {
  const { process, why, heard, namesKnown, runningAt } = finding;
  const { name, kind } = process;
  const start = `start it (catena ${kind} ${name} --topology ${file} --data DIR, or docker compose up -d ${name})`;
  const mend = mendText(runningAt, file);
  switch (why.found.kind) {
    case 'unknown-name':
      if (heard === true)
        return `make the name ${hostOf(why.url)} known here, give it a URL of this network, or ${mend}`;
      return namesKnown
        ? `${start}: a container that doesn't run has no name; or ${mend}`
        : `${start}, or ${mend}`;
    case 'refused':
      if (heard === true) return `publish its port so that ${why.url} leads to it, or ${mend}`;
      return `${start}; if it runs, publish its port, or ${mend}`;
    case 'unreachable':
    case 'silent':
      return `see whether its machine runs and a firewall lets you through to ${why.url}; else ${mend}`;
    case 'mute':
      return 'see its log, and whether it is stopped or starved (kill -CONT, docker unpause); else start it again';
    default:
      return `see what listens at ${why.url}: stop that and ${start}, or ${mend}`;
  }
}

function mendText(runningAt: readonly string[] | null, file: string): string {
  if (runningAt === null) return `correct its URL in ${file}`;
  return `correct its URL in ${file}: the running cluster has it at ${runningAt.join(', ')}`;
}

function wrongAdvice(
  finding: Extract<AddressFinding, { kind: 'wrong-process' }>,
  file: string,
): string | null {
  const { exchanged, otherCluster, grave, runningAt, url } = finding;
  if (!grave) return null;
  if (otherCluster) return `stop that cluster or give it other ports, or give the doctor its file`;
  if (exchanged && runningAt === null) return `exchange the ports that are published, or the URLs in ${file}`;
  if (runningAt !== null) return mendText(runningAt, file);
  return `publish the right port at ${url}, or ${mendText(null, file)}`;
}

function vainAdvice({ to, url, why, lacksPlace, answersAt }: VainRedirect, file: string): string {
  const at = answersAt === null ? '' : ` (${to} answers at ${answersAt})`;
  if (lacksPlace !== null)
    return `give ${to} a ${nth(lacksPlace)} URL in ${file}, of the same network as the others' ${nth(lacksPlace)}${at}`;
  switch (why?.kind) {
    case undefined:
      return `bring file and cluster together: catena topology apply ${file}, or correct the file${at}`;
    case 'unknown-name':
      return `make the name ${hostOf(url)} known here (hosts file), or put the URLs of one network at the same place of every list in ${file}${at}`;
    case 'refused':
      return `publish the port of ${to} so that ${url} leads to it, or correct the URL in ${file}${at}`;
    case 'unreachable':
    case 'silent':
    case 'mute':
      return `see what keeps you from ${url} (a firewall, a route), or correct the URL in ${file}${at}`;
    default:
      return `see what listens at ${url}, and stop it or correct the URL in ${file}${at}`;
  }
}

function label({ kind, name }: { readonly kind: string; readonly name: string }): string {
  return kind === 'coordinator' ? `the coordinator ${name}` : name;
}
