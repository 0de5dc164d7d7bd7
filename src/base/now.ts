/** Both clocks at one instant. */
export interface Now {
  /** Never goes back; its zero means nothing outside this process. A suspended machine may stop it. In ms, with fractions. */
  readonly monotonicMs: number;
  /** ms since 1970 by the machine's clock, which may jump. */
  readonly wallMs: number;
}
