# What the recorder is made of, for the Makefile here and for any other.
RECORDER_SOURCES := json.cpp json_parse.cpp checksum.cpp files.cpp folder_lock.cpp manifest.cpp snapshot_file.cpp \
	recorder_memory.cpp recorder_plan.cpp recorder_folder.cpp recorder_writer.cpp recorder.cpp
