// What a menu holds: things to do, and lines between groups of them.

export interface MenuChoice {
  label: string;
  icon?: string;
  /** Shown at the right, as in Action. */
  keys?: string;
  disabled?: boolean;
  danger?: boolean;
  run: () => void;
}

export type MenuItem = MenuChoice | 'line';
