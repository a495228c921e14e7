// How much a state wants to be seen, as a person sees it.
import type { Level } from '../../api/backend';

/** The word and the glyph of a level: colour is never the only signal. */
export const moods: Record<Level, { title: string; icon: string; tone: '' | 'warn' | 'bad' }> = {
  calm: { title: '', icon: '', tone: '' },
  warn: { title: 'Warning', icon: 'triangle-alert', tone: 'warn' },
  alarm: { title: 'Alarm', icon: 'octagon-x', tone: 'bad' },
};
