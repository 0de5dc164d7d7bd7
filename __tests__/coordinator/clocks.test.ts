import { go, NAMES, nodesOf, rightMs, running } from '../support/clock-story.ts';

test('clocks that are set back count as they are after a few heartbeats', () => {
  const story = running();
  go(story, 10, -5000);
  for (const node of nodesOf(story)) node.says = { wallMs: rightMs(story) - 5000, ready: true };
  story.node('n3').says = { phase: 'stopping', wallMs: rightMs(story) - 5000 };
  for (const name of NAMES) story.beat(name);
  story.tick();
  expect(story.configuration?.members).toHaveLength(2);
  expect(Math.abs((story.configuration?.timeMs ?? 0) - rightMs(story) + 5000)).toBeLessThan(100);
});
