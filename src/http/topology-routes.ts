import { isUtf8 } from 'node:buffer';
import { CatenaError } from '../base/errors.ts';
import { nodeId } from '../base/ids.ts';
import type { Topology } from '../protocol/topology.ts';
import type { CoordinatorService } from '../runtime/coordinator-service.ts';
import { describeProblem, parseTopology } from '../topology/topology.ts';
import type { BodyLimit } from './body.ts';
import type { Exchange } from './exchange.ts';
import type { Route } from './http-server.ts';
import { routeTo } from './operations.ts';
import { readable, topologyPage } from './pages.ts';
import { CONFIRM, CONFIRMATION, DRY_RUN, IF_NONE_MATCH_WRITE, SURVIVOR } from './parameters.ts';
import { Refusal } from './problem.ts';
import { badParameter } from './query.ts';
import { conditionOf } from './request.ts';

/** How a topology in a body is called where its problems are told. */
const SOURCE = 'body';
const TOPOLOGY_LIMIT: BodyLimit = {
  bytesMax: 1_048_576,
  name: 'the most that a topology may have',
  code: 'TOPOLOGY_TOO_LARGE',
};

/** `GET` and `PUT /topology` of a coordinator, and `POST /force`. */
export function topologyRoutes(service: CoordinatorService): readonly Route[] {
  const get = (exchange: Exchange): void => {
    const page = topologyPage(service, service.problem());
    exchange.json(200, { ...page, plan: service.plan() }, { ETag: etagOf(page.version) });
  };
  return [
    routeTo('/topology', { ...readable(get), PUT: (exchange) => edit(exchange, service) }),
    routeTo('/force', { POST: (exchange) => force(exchange, service) }),
  ];
}

async function edit(exchange: Exchange, service: CoordinatorService): Promise<void> {
  const ifVersion = wantedVersion(exchange);
  const dryRun = DRY_RUN.read(exchange.query);
  const topology = topologyFrom(await exchange.body(TOPOLOGY_LIMIT));
  const reply = await asked(service.edit(topology, { ifVersion, dryRun }));
  switch (reply.kind) {
    case 'taken': {
      const { version, plan } = reply;
      // A version that only would be has no tag: an edit with it would be refused.
      return exchange.json(200, { version, plan, dryRun }, dryRun ? {} : { ETag: etagOf(version) });
    }
    case 'conflict':
      throw conflict(reply.version);
    case 'refused':
      throw new Refusal('TOPOLOGY_REFUSED', reply.problem);
  }
}

async function force(exchange: Exchange, service: CoordinatorService): Promise<void> {
  const survivor = SURVIVOR.read(exchange.query) ?? '';
  if (survivor === '') throw badParameter(SURVIVOR.name, 'name the node that is to be the whole chain');
  if (CONFIRM.read(exchange.query) !== CONFIRMATION) {
    throw badParameter(
      CONFIRM.name,
      `forcing makes ${survivor} the whole chain, whatever the others hold: every acknowledged write that ${survivor} does not ` +
        'hold is lost for good, and members that still run elsewhere may serve old values until they hear of it. Only when the others never come ' +
        `back, or hold less, add confirm=${CONFIRMATION}`,
    );
  }
  const reply = await asked(service.force(nodeId(survivor)));
  if (reply.kind === 'refused') throw new Refusal('TOPOLOGY_REFUSED', reply.problem);
  exchange.json(200, { epoch: reply.epoch, survivor });
}

/** @throws Refusal BAD_PARAMETER, CONFLICTING_CONDITIONS. */
function wantedVersion(exchange: Exchange): number | null {
  const condition = conditionOf(exchange.request.headers);
  if (condition?.kind === 'absent') {
    throw badParameter(IF_NONE_MATCH_WRITE.name, 'there always is a topology; an edit takes If-Match alone');
  }
  return condition?.kind === 'version' ? condition.version : null;
}

/** @throws Refusal BAD_TEXT, BAD_TOPOLOGY with all that is wrong and where. */
function topologyFrom(body: Buffer): Topology {
  if (!isUtf8(body)) throw new Refusal('BAD_TEXT', 'the topology is not UTF-8; send it as UTF-8');
  const parsed = parseTopology(body.toString('utf8'), SOURCE);
  if (parsed.kind === 'ok') return parsed.topology;
  const { problems } = parsed;
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
  const detail = [`the topology has ${count}; mend it and send it again:`, ...problems.map(describeProblem)];
  throw new Refusal('BAD_TOPOLOGY', detail.join('\n'), {
    status: 400,
    members: {
      problems: problems.map(({ line, column, pointer, message }) => ({ line, column, pointer, message })),
    },
  });
}

/** The world's refusals are answers, not failures of this process. */
async function asked<Reply>(reply: Promise<Reply>): Promise<Reply> {
  try {
    return await reply;
  } catch (error) {
    if (error instanceof CatenaError) throw new Refusal(error.code, error.message);
    throw error;
  }
}

function conflict(version: number): Refusal {
  return new Refusal(
    'TOPOLOGY_CONFLICT',
    `the topology was edited since: it has version ${version} now. Read it again, and make the edit to that`,
    { members: { version }, headers: { ETag: etagOf(version) } },
  );
}

function etagOf(version: number): string {
  return `"${version}"`;
}
