import { medianMs } from '../../src/coordinator/membership.ts';
import { listed } from '../../src/coordinator/words.ts';

test('no single wrong clock moves the median out of the others', () => {
  expect(medianMs([5])).toBe(5);
  expect(medianMs([1, 2])).toBe(1);
  expect(medianMs([10, 11.6, 9e15])).toBe(12);
  expect(medianMs([10, 11, 12, 9e15])).toBe(11);
  expect(medianMs([10, 11, 12, 0])).toBe(10);
});

test('names are listed as in a sentence', () => {
  expect(listed([])).toBe('none');
  expect(listed(['n1'])).toBe('n1');
  expect(listed(['n1', 'n2'])).toBe('n1 and n2');
  expect(listed(['n1', 'n2', 'n3'])).toBe('n1, n2 and n3');
});
