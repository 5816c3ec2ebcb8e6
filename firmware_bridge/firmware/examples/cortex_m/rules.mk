# How an example for a Cortex-M is built. Its Makefile says NAME, CPU and BUILD's default, and includes this.
#   make            build/$(NAME).elf, and how large it is
#   make BUILD=dir  the same in another folder

CROSS ?= arm-none-eabi-
BUILD ?= build

EXAMPLES := $(dir $(lastword $(MAKEFILE_LIST)))..
VLP := $(EXAMPLES)/..
SOURCES := board.c $(addprefix $(EXAMPLES)/cortex_m/,startup.c main.c) $(EXAMPLES)/device_app.c $(EXAMPLES)/device_commands.c \
    $(wildcard $(VLP)/vlp*.c)
OBJECTS := $(addprefix $(BUILD)/,$(notdir $(SOURCES:.c=.o)))
VPATH := $(sort $(dir $(SOURCES)))

CFLAGS := -std=c99 -Os -g -mcpu=$(CPU) -mthumb -ffunction-sections -fdata-sections -MMD \
    -Wall -Wextra -Wconversion -Wpedantic -Werror -I. -I$(EXAMPLES)/cortex_m -I$(EXAMPLES) -I$(VLP)
LDFLAGS := -mcpu=$(CPU) -mthumb -nostartfiles --specs=nano.specs -Wl,--gc-sections -Wl,--fatal-warnings \
    -L. -L$(EXAMPLES)/cortex_m -T memory.ld

$(BUILD)/$(NAME).elf: $(OBJECTS) memory.ld $(EXAMPLES)/cortex_m/sections.ld
	$(CROSS)gcc $(LDFLAGS) -Wl,-Map=$(@:.elf=.map) -o $@ $(OBJECTS)
	$(CROSS)size $@

$(BUILD)/%.o: %.c Makefile $(EXAMPLES)/cortex_m/rules.mk | $(BUILD)
	$(CROSS)gcc $(CFLAGS) -c -o $@ $<

$(BUILD):
	mkdir -p $@

clean:
	rm -rf $(BUILD)

.PHONY: clean
-include $(OBJECTS:.o=.d)
