import { attention } from "./kinds/attention.js";
import { bars } from "./kinds/bars.js";
import { curves } from "./kinds/curves.js";
import { dots } from "./kinds/dots.js";
import { embedding } from "./kinds/embedding.js";
import { grid } from "./kinds/grid.js";
import { profile } from "./kinds/profile.js";
import { ridges } from "./kinds/ridges.js";
import { tiles } from "./kinds/tiles.js";
// What a panel can show. Each kind: begin (new data), height, draw, and the pointer events that it wants. What a kind
// reads of its header is declared in strobe/ui/panel/kinds.py.

export const kinds = { curves, grid, dots, attention, embedding, bars, tiles, profile, ridges };
