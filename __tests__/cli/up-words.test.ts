import { configurationText, transferText } from '../../src/cli/up-words.ts';

test('a configuration is told in a line, with why', () => {
  const chosen = {
    epoch: 5,
    members: ['n1', 'n3'],
    reason: 'n2 refused connections for 60 ms',
    change: 'removed n2',
  };
  expect(configurationText(chosen)).toBe('epoch 5: n1, n3 — n2 refused connections for 60 ms (removed n2)');
  expect(configurationText({ ...chosen, reason: '', change: '' })).toBe('epoch 5: n1, n3');
});

test('a state transfer is told with how much there is, how fast it comes and how long it will take', () => {
  const transfer = {
    bytes: 59_000_000,
    bytesTotal: 118_000_000,
    keys: 512_000,
    keysTotal: 1_000_000,
    bytesPerSecond: 24_120_000,
    secondsLeft: 2.4,
  };
  expect(transferText('n4', transfer)).toBe(
    'n4 is given the data: 50 % (59.0 of 118.0 MB, 512,000 of 1,000,000 keys, 24.1 MB/s, 3 s left)',
  );
});

test('a total that was estimated too low never makes more than all of it, and an unknown end is left out', () => {
  const transfer = {
    bytes: 3e6,
    bytesTotal: 2e6,
    keys: 5,
    keysTotal: 4,
    bytesPerSecond: 0,
    secondsLeft: null,
  };
  expect(transferText('n4', transfer)).toBe(
    'n4 is given the data: 100 % (3.0 of 3.0 MB, 5 of 5 keys, 0.0 MB/s)',
  );
});
