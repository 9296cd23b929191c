# The interlock board's firmware: every image into build/firmware. Needs clang-19, lld-19 and llvm-19 for the
# microcontrollers and cc for the process. Works alone, too: make -f make/boards.mk firmware
# Another version: FW_CLANG=clang FW_LLD=ld.lld FW_SIZE=llvm-size FW_OBJCOPY=llvm-objcopy

FW_BUILD ?= build/firmware
FW_CLANG ?= clang-19
FW_LLD ?= ld.lld-19
FW_SIZE ?= llvm-size-19
FW_OBJCOPY ?= llvm-objcopy-19
FW_CC ?= $(CC)
FW_APT := sudo apt-get install --no-install-recommends clang-19 lld-19 llvm-19

FW_ROOT := firmware_bridge/firmware
FW_CORE := $(FW_ROOT)/core
FW_COMMON := $(FW_ROOT)/boards/common
FW_CORE_C := $(sort $(wildcard $(FW_CORE)/*.c))
FW_CYCLE_C := $(FW_COMMON)/pb_cycle.c $(FW_COMMON)/pb_debounce.c $(FW_COMMON)/pb_retain.c
FW_CORTEX_C := $(FW_CYCLE_C) $(FW_COMMON)/pb_cortex.c $(FW_COMMON)/pb_memory.c
FW_HEADERS := $(wildcard $(FW_CORE)/*.h $(FW_COMMON)/*.h $(FW_COMMON)/include/*.h $(FW_ROOT)/boards/*/*.h)

# The same bytes from every checkout: no path of this machine, no time.
FW_WARN := -std=c11 -Wall -Wextra -Werror -Wconversion -Wshadow -Wundef -Wstrict-prototypes
FW_SAME := -ffile-prefix-map=$(CURDIR)=. -g
FW_BARE := $(FW_WARN) $(FW_SAME) -Os -ffreestanding -fno-builtin -fno-common -ffunction-sections -fdata-sections \
	-mthumb -mfloat-abi=soft -nostdlibinc -I$(FW_COMMON)/include -I$(FW_CORE) -I$(FW_COMMON)
FW_LINK := --gc-sections --fatal-warnings --no-undefined --build-id=none -L $(FW_COMMON)

FW_lm3s6965evb_CPU := --target=armv7m-none-eabi -mcpu=cortex-m3
FW_stm32f446_CPU := --target=armv7em-none-eabi -mcpu=cortex-m4
FW_MCUS := lm3s6965evb stm32f446
FW_IMAGES := $(foreach board,$(FW_MCUS),$(FW_BUILD)/packbench-$(board).elf)
FW_PTY := $(FW_BUILD)/packbench-board-pty

.PHONY: firmware firmware-tools board-timing

firmware: firmware-tools $(FW_IMAGES) $(FW_IMAGES:.elf=.bin) $(FW_PTY) ## the board's firmware for every port
	@$(FW_SIZE) --format=berkeley $(FW_IMAGES) | awk 'NR > 1 { n = split($$6, path, "/"); \
		printf "%-28s flash %6d B   RAM %6d B and the stack\n", path[n], $$1 + $$2, $$2 + $$3 }'
	@echo "verified_on_hardware: false (nobody has run packbench-stm32f446 on a board yet)"

firmware-tools:
	@for tool in $(FW_CLANG) $(FW_LLD) $(FW_SIZE) $(FW_OBJCOPY); do command -v $$tool >/dev/null 2>&1 || { \
		echo "$$tool is missing: $(FW_APT)" >&2; exit 2; }; done

# $(1): board
define FW_BOARD
FW_$(1)_C := $$(FW_CORE_C) $$(FW_CORTEX_C) $$(sort $$(wildcard $$(FW_ROOT)/boards/$(1)/*.c))
FW_$(1)_O := $$(patsubst $$(FW_ROOT)/%.c,$$(FW_BUILD)/$(1)/%.o,$$(FW_$(1)_C))

$$(FW_BUILD)/$(1)/%.o: $$(FW_ROOT)/%.c $$(FW_HEADERS) make/boards.mk | firmware-tools
	@mkdir -p $$(dir $$@)
	@$$(FW_CLANG) $$(FW_$(1)_CPU) $$(FW_BARE) -I$$(FW_ROOT)/boards/$(1) -c -o $$@ $$<

$$(FW_BUILD)/packbench-$(1).elf: $$(FW_$(1)_O) $$(FW_ROOT)/boards/$(1)/link.ld $$(FW_COMMON)/sections.ld
	@$$(FW_LLD) $$(FW_LINK) -T $$(FW_ROOT)/boards/$(1)/link.ld -Map=$$(@:.elf=.map) -o $$@ $$(FW_$(1)_O)

$$(FW_BUILD)/packbench-$(1).bin: $$(FW_BUILD)/packbench-$(1).elf
	@$$(FW_OBJCOPY) -O binary $$< $$@
endef
$(foreach board,$(FW_MCUS),$(eval $(call FW_BOARD,$(board))))

FW_PTY_C := $(FW_CORE_C) $(FW_CYCLE_C) $(sort $(wildcard $(FW_ROOT)/boards/pty/*.c))

$(FW_PTY): $(FW_PTY_C) $(FW_HEADERS) make/boards.mk
	@mkdir -p $(FW_BUILD)
	@$(FW_CC) $(FW_WARN) $(FW_SAME) -O2 -D_GNU_SOURCE -I$(FW_CORE) -I$(FW_COMMON) -I$(FW_ROOT)/boards/pty -o $@ $(FW_PTY_C)

board-timing: firmware ## how late the contactor opens under QEMU, 250 trials under load (5 minutes)
	PYTHONPATH=. .venv/bin/python tests/board/timing.py $(TIMING)
