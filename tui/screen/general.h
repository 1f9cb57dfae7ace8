/* The actions that every screen has. */
#ifndef TUI_SCREEN_GENERAL_H
#define TUI_SCREEN_GENERAL_H

struct ui;

void general_search(struct ui *ui);
void general_next(struct ui *ui);
void general_previous(struct ui *ui);
void general_filter(struct ui *ui);
void general_sort(struct ui *ui);
void general_sort_back(struct ui *ui);
void general_invert(struct ui *ui);
void general_span(struct ui *ui);
void general_pause(struct ui *ui);
void general_mark(struct ui *ui);
void general_mark_all(struct ui *ui);
void general_mark_none(struct ui *ui);
void general_copy(struct ui *ui);
void general_pane(struct ui *ui);
void general_pane_back(struct ui *ui);
void general_enter(struct ui *ui);
void general_back(struct ui *ui);
void general_screen_1(struct ui *ui);
void general_screen_2(struct ui *ui);
void general_screen_3(struct ui *ui);
void general_screen_4(struct ui *ui);
void general_screen_5(struct ui *ui);
void general_theme(struct ui *ui);
void general_mouse(struct ui *ui);
void general_redraw(struct ui *ui);
void general_quit(struct ui *ui);

#endif
