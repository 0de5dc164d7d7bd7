import { nodeId } from '../../src/base/ids.ts';
import { Coordinator } from '../../src/coordinator/coordinator.ts';
import type { CoordinatorEvent } from '../../src/coordinator/events.ts';
import { EMPTY_REGISTER } from '../../src/coordinator/register.ts';
import { CoordinatorStory, StoryNode, topologyFile } from '../support/coordinator-story.ts';

const at = (monotonicMs: number) => ({ monotonicMs, wallMs: 1_000_000 + monotonicMs });
const beat: CoordinatorEvent = { kind: 'heartbeat', link: 1, report: new StoryNode('n1').report() };

describe('a coordinator that was offered no topology yet', () => {
  test('answers who speaks to it, counts nobody, and decides nothing', () => {
    const core = new Coordinator(EMPTY_REGISTER);
    expect(core.step(beat, at(0))).toMatchObject([
      { kind: 'say', message: 'n1 is heard, but is no node of the topology' },
      { kind: 'tell', link: 1, answer: { configuration: null, topology: null } },
    ]);
    expect(core.heard(nodeId('n1'), at(0))).toMatchObject({ last: { link: 1 }, counts: false });
    expect(core.step({ kind: 'tick' }, at(50))).toEqual([]);
    expect(core.register).toEqual(EMPTY_REGISTER);
    expect(core.topology).toBeNull();
  });

  test('refuses to force, and says why', () => {
    const core = new Coordinator(EMPTY_REGISTER);
    core.step(beat, at(0));
    expect(core.step({ kind: 'force', ticket: 7, survivor: nodeId('n1') }, at(10))).toEqual([]);
    expect(core.step({ kind: 'tick' }, at(50))).toEqual([
      {
        kind: 'forced',
        ticket: 7,
        reply: { kind: 'refused', problem: 'the coordinator has no topology yet' },
      },
    ]);
  });

  test('says once what is wrong with a file that it is offered, and takes the next good one', () => {
    const core = new Coordinator(EMPTY_REGISTER);
    const bad: CoordinatorEvent = { kind: 'bad-topology', problem: 'no chain' };
    expect(core.step(bad, at(0))).toMatchObject([
      { kind: 'say', message: 'the topology is not taken: no chain' },
    ]);
    expect(core.step(bad, at(10))).toEqual([]);
    expect(core.topology).toBeNull();
    const { topology, digest } = topologyFile();
    core.step({ kind: 'topology', topology, digest }, at(20));
    expect(core.step({ kind: 'tick' }, at(50)).map(({ kind }) => kind)).toContain('save');
  });

  test('makes an edit its first topology', () => {
    const core = new Coordinator(EMPTY_REGISTER);
    const edit: CoordinatorEvent = {
      kind: 'edit',
      ticket: 1,
      topology: topologyFile().topology,
      ifVersion: null,
      dryRun: false,
    };
    core.step(edit, at(0));
    core.step({ kind: 'tick' }, at(50));
    expect(core.step({ kind: 'saved', save: 1 }, at(60))).toContainEqual({
      kind: 'edited',
      ticket: 1,
      reply: { kind: 'taken', version: 1, plan: ['make n1, n2, n3 the first chain'] },
    });
  });
});

describe('what was heard of a node', () => {
  test('counts for suspectAfterMs, as long as its connection is open', () => {
    const story = new CoordinatorStory();
    story.start('n1');
    story.beat('n1');
    const { suspectAfterMs } = story.file.topology.timing;
    const heard = (afterMs: number) => story.core.heard(nodeId('n1'), at(afterMs));
    expect(heard(suspectAfterMs - 1)).toMatchObject({ last: { atMs: 0 }, counts: true });
    expect(heard(suspectAfterMs)).toMatchObject({ last: { atMs: 0 }, counts: false });
    expect(story.core.heard(nodeId('n2'), at(0))).toEqual({ last: undefined, counts: false });
    story.stop('n1');
    expect(heard(1)).toMatchObject({ last: { link: null }, counts: false });
  });

  test('is forgotten with its connection when the topology lacks it, and kept when it has it', () => {
    const story = new CoordinatorStory(topologyFile({}, 3));
    story.nodes.set('stranger', new StoryNode('stranger'));
    story.start('n1', 'stranger');
    story.beat('n1');
    story.beat('stranger');
    const heard = (name: string) => story.core.heard(nodeId(name), at(0)).last !== undefined;
    expect([heard('n1'), heard('stranger')]).toEqual([true, true]);
    story.stop('n1');
    story.stop('stranger');
    expect([heard('n1'), heard('stranger')]).toEqual([true, false]);
  });
});

test('a connection that never said anything closes without a word', () => {
  const core = new Coordinator(EMPTY_REGISTER);
  expect(core.step({ kind: 'closed', link: 9 }, at(0))).toEqual([]);
});
