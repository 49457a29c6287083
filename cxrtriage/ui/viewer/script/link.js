// Viewers of one group on a page move together: what a hand does in one, the others do after it.
//
// A viewer that follows does not tell in its turn, so that nothing goes round in circles.

/** The page's own switchboard; every component brings this module along anew. */
function board() {
  const symbol = Symbol.for("cxrtriage.links");
  if (!globalThis[symbol]) globalThis[symbol] = Object.assign(new EventTarget(), { told: new Map() });
  return globalThis[symbol];
}

export class Link {
  constructor(follow) {
    this.group = null;
    this.linked = false;
    this.hear = ({ detail }) => {
      if (this.linked && detail.from !== this) follow(detail.told);
    };
    this.follow = follow;
  }

  /** Belong to a group, or to none (null). One that is not `linked` keeps to itself until it is. */
  join(group, linked) {
    const rejoined = linked && !this.linked && group === this.group;
    if (group !== this.group) {
      this.leave();
      this.group = group;
      if (group !== null) board().addEventListener(group, this.hear);
    }
    this.linked = Boolean(linked);
    if (rejoined && this.told) this.follow(this.told); // both go to where a hand was last
  }

  leave() {
    if (this.group !== null) board().removeEventListener(this.group, this.hear);
    this.group = null;
  }

  /** What was told last in this group, for one that comes later; undefined where it does not follow. */
  get told() {
    return this.linked && this.group !== null ? board().told.get(this.group) : undefined;
  }

  tell(told) {
    if (this.group === null) return;
    board().told.set(this.group, told);
    if (this.linked) board().dispatchEvent(new CustomEvent(this.group, { detail: { from: this, told } }));
  }
}
