import { FaithfulChain } from '../support/coordinator-chain.ts';
import { CoordinatorStory, lastOf, topologyFile } from '../support/coordinator-story.ts';

function serving(file = topologyFile({}, 4)): CoordinatorStory {
  const story = new CoordinatorStory(file);
  story.start();
  story.go();
  return story;
}

const edited = topologyFile({ timing: { leaseMs: 100 }, limits: { valueBytes: 2_000_000 } }, 4).topology;
const plan = ['timing.leaseMs from 200 to 100', 'limits.valueBytes from 1048576 to 2000000'];

describe('an edit', () => {
  test('is answered only once it is on disk, and exactly once', () => {
    const story = serving();
    story.holdSaves = true;
    const ticket = story.edit(edited);
    story.go(5);
    expect(story.edited).toEqual([]);
    expect(story.core.topology?.version).toBe(1);
    story.endSave();
    story.go(5);
    story.endSave();
    expect(story.edited).toEqual([{ ticket, reply: { kind: 'taken', version: 2, plan } }]);
    expect(story.onDisk.topology?.version).toBe(2);
  });

  test('is put into the log with its plan, and told to the nodes', () => {
    const story = serving();
    story.edit(edited);
    story.go(1);
    expect(story.said).toContain(`took the topology as version 2: ${plan.join('; ')}`);
    expect(story.node('n1').topologyVersion).toBe(2);
    expect(lastOf(story)).toEqual({
      reason: 'the topology was edited (version 2)',
      change: 'a lease lasts 100 ms',
    });
  });

  test('of what the nodes alone have to know makes a version and no configuration', () => {
    const story = serving();
    story.edit(topologyFile({ limits: { keyBytes: 10 }, name: 'other' }, 4).topology);
    story.go();
    expect(story.core.topology?.version).toBe(2);
    expect(story.configuration?.epoch).toBe(1);
    expect(story.core.register.arranging).toBe(false);
  });

  test('that waits while another is saved is judged by what that one made', () => {
    const story = serving();
    story.holdSaves = true;
    const first = story.edit(edited, { ifVersion: 1 });
    story.tick();
    const second = story.edit(topologyFile({ name: 'other' }, 4).topology, { ifVersion: 1 });
    story.tick();
    story.endSave();
    story.tick();
    expect(story.replyTo(first)).toMatchObject({ kind: 'taken', version: 2 });
    expect(story.replyTo(second)).toEqual({ kind: 'conflict', version: 2 });
  });

  test('with the present version is taken', () => {
    const story = serving();
    const ticket = story.edit(edited, { ifVersion: 1 });
    story.tick();
    expect(story.replyTo(ticket)).toMatchObject({ kind: 'taken', version: 2 });
  });

  test('with the same content again changes nothing, and says what is still to be done', () => {
    const story = serving();
    const { topology } = topologyFile({ replicas: 4 }, 4);
    story.edit(topology);
    story.go(2);
    const again = story.edit({ ...topology, $schema: './elsewhere.json' }, { ifVersion: 1 });
    story.go(2);
    expect(story.replyTo(again)).toEqual({
      kind: 'taken',
      version: 2,
      plan: ['take n4 into the chain behind n3 (state transfer)'],
    });
    expect(story.core.topology?.version).toBe(2);
  });

  test('with the same content puts a chain that healing has left in another order into the one that it says', () => {
    const story = new CoordinatorStory(topologyFile({}, 3));
    const chain = new FaithfulChain(story);
    story.refusing = true;
    story.start();
    chain.go(6);
    story.stop('n1');
    chain.go(20);
    story.start('n1');
    const order = () => story.configuration?.members.map(({ node }) => node);
    chain.until(() => story.core.register.ready.length === 3, 'n1 is back');
    expect(order()).toEqual(['n2', 'n3', 'n1']);
    const again = story.edit(topologyFile({}, 3).topology);
    chain.until(() => order()?.join() === 'n1,n2,n3', 'it is in order');
    expect(story.replyTo(again)).toEqual({
      kind: 'taken',
      version: 1,
      plan: ['reorder to n1, n2, n3 (sealed)'],
    });
  });

  test('that a running cluster can not take is refused, and the words stay until the next good one', () => {
    const story = serving();
    const ticket = story.edit(topologyFile({ durability: 'memory' }, 4).topology);
    story.tick();
    expect(story.replyTo(ticket)).toMatchObject({
      kind: 'refused',
      problem: expect.stringContaining('durability can not be changed'),
    });
    expect(story.core.problem).toContain('durability can not be changed');
    expect(story.core.topology?.version).toBe(1);
    story.edit(edited);
    story.tick();
    expect(story.core.problem).toBeNull();
  });

  test('beyond what may wait is refused at once, a force as well', () => {
    const story = new CoordinatorStory();
    story.start();
    story.go();
    story.holdSaves = true;
    const tickets = Array.from({ length: 17 }, () => story.force('n9'));
    expect(story.forced).toEqual([
      {
        ticket: tickets.at(-1),
        reply: { kind: 'refused', problem: expect.stringContaining('too many edits are under way') },
      },
    ]);
  });

  test('beyond what may wait is refused at once, so that nothing grows without a limit', () => {
    const story = serving();
    story.holdSaves = true;
    const tickets = Array.from({ length: 18 }, () => story.edit(edited));
    expect(story.edited).toEqual(
      tickets.slice(16).map((ticket) => ({
        ticket,
        reply: { kind: 'refused', problem: expect.stringContaining('try again') },
      })),
    );
  });
});

describe('trying an edit out', () => {
  test('gives the plan and changes nothing, even while a register is being saved', () => {
    const story = serving();
    story.holdSaves = true;
    story.edit(edited);
    story.tick();
    const ticket = story.edit(topologyFile({ replicas: 4, timing: { leaseMs: 100 } }, 4).topology, {
      dryRun: true,
    });
    expect(story.replyTo(ticket)).toEqual({
      kind: 'taken',
      version: 3,
      plan: [
        'limits.valueBytes from 2000000 to 1048576',
        'take n4 into the chain behind n3 (state transfer)',
      ],
    });
    story.endSave();
    story.go();
    expect(story.core.topology?.version).toBe(2);
    expect(story.core.register.arranging).toBe(false);
  });

  test('says as well what would be refused, without its being remembered', () => {
    const story = serving();
    const ticket = story.edit(topologyFile({ durability: 'memory' }, 4).topology, { dryRun: true });
    expect(story.replyTo(ticket)).toMatchObject({ kind: 'refused' });
    expect(story.core.problem).toBeNull();
  });
});

describe('the file', () => {
  test('counts again only when its content changes: an edit by PUT stands against it', () => {
    const story = serving();
    story.edit(edited);
    story.go();
    story.offer(story.file);
    story.startCoordinator();
    story.go();
    expect(story.core.topology).toMatchObject({ version: 2, topology: { timing: { leaseMs: 100 } } });
    story.offer(topologyFile({ name: 'third' }, 4));
    story.go();
    expect(story.core.topology).toMatchObject({
      version: 3,
      topology: { name: 'third', timing: { leaseMs: 200 } },
    });
  });

  test('that comes to say what was put already makes no new version', () => {
    const story = serving();
    story.edit(edited);
    story.go();
    story.offer(topologyFile({ timing: { leaseMs: 100 }, limits: { valueBytes: 2_000_000 } }, 4));
    story.go();
    expect(story.core.topology?.version).toBe(2);
    expect(story.onDisk.fileDigest).toBe(story.file.digest);
  });
});

test('an edit that was half carried out goes on when the coordinator is back', () => {
  const story = serving();
  story.edit(topologyFile({ replicas: 4 }, 4).topology);
  story.go(1);
  story.startCoordinator();
  expect(story.core.register.arranging).toBe(true);
  story.go(2);
  expect(story.configuration?.joiner?.node).toBe('n4');
});
