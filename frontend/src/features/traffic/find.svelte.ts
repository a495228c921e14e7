/** A text that is looked for in a body, and which of the places is looked at. */
export class Find {
  text = $state('');
  /** Index of the place that is looked at. */
  at = $state(0);
  /** How many places there are. */
  count = $state(0);

  look(text: string): void {
    this.text = text;
    this.at = 0;
  }

  /** Who searches tells how many there are. */
  tell(count: number): void {
    this.count = count;
    if (this.at >= count) this.at = 0;
  }

  step(by: number): void {
    if (this.count > 0) this.at = (this.at + by + this.count) % this.count;
  }
}
