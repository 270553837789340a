/* base/registers: the vector registers of this thread, through which memory is copied.
 *
 * When a process sleeps, the kernel keeps them in memory of its own: up to 512 bytes of what was copied last, for as
 * long as the sleep lasts. Nothing but the process itself can put something else there. (Intel SDM vol. 1, 13.) */
#ifndef BASE_REGISTERS_H
#define BASE_REGISTERS_H

/* Before a sleep: all of them hold ones. Not zeros, which the processor would not write over what the kernel saved
 * before. */
void registers_cover(void);

/* After it: their upper halves are out of the way of code that does not know of them. */
void registers_uncover(void);

#endif
