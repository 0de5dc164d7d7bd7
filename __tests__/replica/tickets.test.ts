import { requestId, seq } from '../../src/base/ids.ts';
import { Tickets } from '../../src/replica/tickets.ts';

test('clients with unequal deadlines are let go each at its own, whoever came first', () => {
  const tickets = new Tickets();
  const deadlines = [300, 100, 200];
  for (const [ticket, deadlineMs] of deadlines.entries())
    tickets.add(seq(ticket + 1), { ticket, requestId: requestId(`r${ticket}`), deadlineMs });
  const expired = (nowMs: number) => tickets.takeExpired(nowMs).map(({ ticket }) => ticket);
  expect([99, 100, 199, 200, 299, 300, 1000].map(expired)).toEqual([[], [1], [], [2], [], [0], []]);
  expect(tickets.takeAll()).toEqual([]);
});
