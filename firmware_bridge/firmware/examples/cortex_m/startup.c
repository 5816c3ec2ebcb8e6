/* From reset to main() on any Cortex-M with up to 32 interrupts. A board's irq_N() replaces the default. */
#include <stdint.h>
#include <string.h>

extern uint32_t ld_stack_top[], ld_data_begin[], ld_data_end[], ld_bss_begin[], ld_bss_end[];
extern const uint32_t ld_data_load[];

int main(void);
void reset_handler(void);
void fault_handler(void);

/* A fault starts the machine again: a camera on a pole has nobody to press a button. The box sees BOOT. */
void fault_handler(void)
{
    *(volatile uint32_t *)0xe000ed0cu = 0x05fa0004u; /* AIRCR: key and SYSRESETREQ */
    for (;;) {
    }
}

void reset_handler(void)
{
    memcpy(ld_data_begin, ld_data_load, (size_t)((uintptr_t)ld_data_end - (uintptr_t)ld_data_begin));
    memset(ld_bss_begin, 0, (size_t)((uintptr_t)ld_bss_end - (uintptr_t)ld_bss_begin));
    main();
    fault_handler();
}

#define HANDLER(name) void name(void) __attribute__((weak, alias("fault_handler")))
#define FOUR(a, b, c, d) HANDLER(irq_##a); HANDLER(irq_##b); HANDLER(irq_##c); HANDLER(irq_##d)
HANDLER(systick_handler);
FOUR(0, 1, 2, 3);
FOUR(4, 5, 6, 7);
FOUR(8, 9, 10, 11);
FOUR(12, 13, 14, 15);
FOUR(16, 17, 18, 19);
FOUR(20, 21, 22, 23);
FOUR(24, 25, 26, 27);
FOUR(28, 29, 30, 31);

typedef void (*vector)(void);

__attribute__((section(".vectors"), used)) static const struct {
    const void *stack_top;
    vector handlers[47];
} vectors = {
    ld_stack_top,
    {reset_handler, fault_handler, fault_handler, fault_handler, fault_handler, fault_handler, 0, 0, 0, 0,
     fault_handler, fault_handler, 0, fault_handler, systick_handler,
     irq_0,  irq_1,  irq_2,  irq_3,  irq_4,  irq_5,  irq_6,  irq_7,  irq_8,  irq_9,  irq_10,
     irq_11, irq_12, irq_13, irq_14, irq_15, irq_16, irq_17, irq_18, irq_19, irq_20, irq_21,
     irq_22, irq_23, irq_24, irq_25, irq_26, irq_27, irq_28, irq_29, irq_30, irq_31}};
